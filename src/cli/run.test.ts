import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTerminal, runHere } from '../../test/cli/fake-terminal.ts';
import { Printer } from './output/printer.ts';
import { createProgram } from './program.ts';
import { Writable } from 'node:stream';
import { runCommandLine } from './run.ts';

const COMMANDS = [
  'backup',
  'capture',
  'import',
  'status',
  'list',
  'show',
  'cat',
  'find',
  'log',
  'diff',
  'restore',
  'tasks',
  'export',
  'sandbox',
  'feed',
  'drill',
  'verify',
  'precheck',
  'demo',
  'completion',
];

describe('runCommandLine', () => {
  test('prints the help of the program', async (t) => {
    const ran = await runHere(['--help']);
    assert.equal(ran.status, 0);
    assert.equal(ran.stderr, '');
    t.assert.snapshot(ran.stdout, { serializers: [String] });
  });

  for (const name of COMMANDS) {
    test(`prints the help of ${name}, with examples`, async (t) => {
      const ran = await runHere([name, '--help']);
      assert.equal(ran.status, 0);
      assert.match(ran.stdout, /\nExamples:\n {2}\S/);
      t.assert.snapshot(ran.stdout, { serializers: [String] });
      assert.deepEqual(await runHere(['help', name]), ran);
    });
  }

  test('knows no command that its help test does not', async () => {
    const terminal = createTerminal();
    const door = { terminal, printer: new Printer(terminal.stdout), status: 0 as const };
    const program = await createProgram(door, () => {});
    const names = program.commands.map((command) => command.name());
    assert.deepEqual(names, COMMANDS);
  });

  test('prints its version', async () => {
    assert.deepEqual(await runHere(['--version']), { status: 0, stdout: '1.2.3\n', stderr: '' });
  });

  test('shows its help on standard error when nothing is asked', async () => {
    const ran = await runHere([]);
    assert.equal(ran.status, 2);
    assert.equal(ran.stdout, '');
    assert.match(ran.stderr, /^Usage: tidemark/);
  });

  test('suggests what may have been meant', async () => {
    const command = await runHere(['lst']);
    assert.equal(command.status, 2);
    assert.equal(command.stderr, "tidemark: Unknown command 'lst'\nhint: Did you mean list?\n");
    const option = await runHere(['list', '--jsn']);
    assert.equal(option.stderr, "tidemark: Unknown option '--jsn'\nhint: Did you mean --json?\n");
  });

  test('refuses missing and surplus arguments, and choices that are none', async () => {
    for (const args of [
      ['show'],
      ['show', 'latest', 'more'],
      ['restore', 'latest'],
      ['backup', 'redis://db', '--from', 'moon'],
      ['precheck', 'redis://db'],
      ['completion', 'tcsh'],
    ]) {
      const ran = await runHere(args);
      assert.equal(ran.status, 2, args.join(' '));
      assert.match(ran.stderr, /^tidemark: .+\nhint: .+\n$/, args.join(' '));
      assert.equal(ran.stdout, '');
    }
  });

  test('tells errors as a document, too, with --json', async () => {
    for (const args of [
      ['list', '--json'],
      ['--json', 'list'],
    ]) {
      const ran = await runHere(args);
      assert.equal(ran.status, 2);
      assert.match(ran.stderr, /^tidemark: Cannot know the repository/);
      assert.deepEqual(JSON.parse(ran.stdout), {
        error: {
          code: 'USAGE',
          message: 'Cannot know the repository: there is no --repo',
          hint: 'Give --repo ./backups, or set TIDEMARK_REPO',
        },
      });
    }
    const usage = await runHere(['nonsense', '--json']);
    assert.equal(JSON.parse(usage.stdout).error.code, 'USAGE');
  });

  test('repeats no password in a usage error', async () => {
    for (const args of [
      ['redis://:pass-word@db'],
      ['backup', 'redis//:pass-word@db', '--repo', '.'],
      ['backup', 'redis://a', 'redis://:pass-word@db'],
      ['backup', 'redis://:pass-word@db:0', '--repo', '.'],
      ['restore', 'latest', '--to', 'http://:pass-word@db', '--repo', '.'],
    ]) {
      const ran = await runHere([...args, '--json']);
      assert.equal(ran.status, 2, args.join(' '));
      assert.equal(`${ran.stdout}${ran.stderr}`.includes('pass-word'), false, ran.stderr);
    }
  });

  test('ends quietly when nobody reads its output any more', async () => {
    const closed = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      },
    });
    const terminal = createTerminal({ stdout: closed });
    assert.equal(await runCommandLine(['--help'], terminal), 0);
    assert.equal(terminal.stderr.text, '');
  });

  test('reports an output that cannot be written', async () => {
    const full = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
      },
    });
    const terminal = createTerminal({ stdout: full });
    assert.equal(await runCommandLine(['completion', 'fish'], terminal), 1);
    assert.match(terminal.stderr.text, /^tidemark: Cannot write to standard output: no space/);
  });
});
