import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { notRun } from '../support/servers.ts';
import { runHere } from './fake-terminal.ts';

/** What bash would offer after `words`, the last of which is being typed. */
function complete(script: string, ...words: string[]): string[] {
  const program = `${script}
COMP_WORDS=(tidemark ${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length}
_tidemark
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync('bash', ['-c', program], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  return stdout.split('\n').filter((word) => word !== '');
}

describe('tidemark completion', () => {
  test('completes commands, options and values in bash', async (t) => {
    if (spawnSync('bash', ['--version']).status !== 0) return notRun(t, 'bash', 'not installed');
    const { status, stdout } = await runHere(['completion', 'bash']);
    assert.equal(status, 0);
    assert.deepEqual(complete(stdout, 'ver'), ['verify']);
    assert.deepEqual(complete(stdout, 're'), ['restore']);
    assert.deepEqual(complete(stdout, 'help', 're'), ['restore']);
    assert.deepEqual(complete(stdout, 'restore', '--conf'), ['--conflict']);
    assert.deepEqual(complete(stdout, 'restore', '--conflict', 'o'), ['overwrite']);
    assert.deepEqual(complete(stdout, '--json', 'precheck', '--as', ''), [
      'source',
      'capture',
      'target',
    ]);
    assert.deepEqual(complete(stdout, 'completion', 'z'), ['zsh']);
    assert.deepEqual(complete(stdout, 'restore', '--key', ''), []);
    assert.equal(complete(stdout, 'list', '').includes('--repo'), true);
  });

  for (const [shell, ...check] of [
    ['bash', 'bash', '-n'],
    ['zsh', 'zsh', '-n'],
    ['fish', 'fish', '--no-execute'],
  ] as const) {
    test(`prints a script that ${shell} can read`, async (t) => {
      const { status, stdout } = await runHere(['completion', shell]);
      assert.equal(status, 0);
      for (const command of ['backup', 'restore', 'completion']) {
        assert.equal(stdout.includes(command), true);
      }
      const [program, flag] = check;
      if (spawnSync(program, ['--version']).status !== 0) {
        return notRun(t, shell, 'not installed, so its syntax was not checked');
      }
      const checked = spawnSync(program, [flag], { input: stdout, encoding: 'utf8' });
      assert.equal(checked.status, 0, checked.stderr);
    });
  }
});
