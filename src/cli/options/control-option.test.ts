import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { describe, test, type TestContext } from 'node:test';
import { type RunSettings, systemClock } from '../../base/index.ts';
import type { Invocation } from '../invocation.ts';
import { Printer } from '../output/printer.ts';
import { ProgressMeter } from '../output/progress-meter.ts';
import type { Terminal } from '../terminal.ts';
import { ControlFollower } from './control-option.ts';

const DEADLINE_MS = 10_000;

/** A terminal that remembers what it was shown. */
class Screen extends Writable {
  readonly isTTY = true;
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

function scene(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-control-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  let toggle = (): void => assert.fail('nobody listens to the signal');
  const stderr = new Screen();
  const terminal: Terminal = {
    stdin: Readable.from([]),
    stdout: new PassThrough(),
    stderr,
    env: {},
    signal: new AbortController().signal,
    clock: systemClock,
    version: '1.2.3',
    self: [process.execPath],
    onPauseSignal: (listener) => {
      toggle = listener;
      return () => {
        toggle = () => {};
      };
    },
  };
  const meter = new ProgressMeter(stderr, false);
  const printer = new Printer(terminal.stdout);
  const invocation: Invocation = {
    terminal,
    printer,
    json: false,
    quiet: false,
    repo: undefined,
    color: false,
  };
  return { invocation, meter, stderr, path: join(folder, 'control'), toggle: () => toggle() };
}

/** Waits for a change that makes `expected` true; the file is written again by rename. */
async function expectChange(
  follower: ControlFollower,
  path: string,
  text: string | null,
  expected: Partial<RunSettings>,
): Promise<void> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const changed = follower.run.changed(signal);
  if (text === null) rmSync(path);
  else {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }
  // Looking at a file keeps no process alive.
  const busy = setInterval(() => {}, 100);
  await changed;
  clearInterval(busy);
  assert.equal(signal.aborted, false, 'the file was not noticed');
  assert.deepEqual({ ...follower.run.settings, ...expected }, follower.run.settings);
}

describe('ControlFollower', () => {
  test('follows a file that appears, changes and goes away', async (t) => {
    const { invocation, meter, stderr, path } = scene(t);
    const initial = { bytesPerSecond: 7 };
    using follower = new ControlFollower(invocation, meter, { control: path }, initial);
    assert.equal(follower.run.settings.bytesPerSecond, 7);
    await expectChange(follower, path, 'rate=5MiB/s\n', { bytesPerSecond: 5 << 20 });
    await expectChange(follower, path, 'pause=true\n', { bytesPerSecond: 7, paused: true });
    meter.show(() => 'Reading');
    assert.match(stderr.text, /\rpaused · Reading/);
    await expectChange(follower, path, null, { bytesPerSecond: 7, paused: false });
    meter.end();
    assert.match(stderr.text, /note: control: 5\.0 MiB\/s\n/);
  });

  test('takes what stands there when it begins, and tells what it cannot understand', async (t) => {
    const { invocation, meter, stderr, path } = scene(t);
    writeFileSync(path, 'keys=20/s\nspeed=9\n');
    const initial = { keysPerSecond: 5 };
    using wrong = new ControlFollower(invocation, meter, { control: path }, initial);
    assert.equal(wrong.run.settings.keysPerSecond, 5);
    assert.match(stderr.text, /^warning: .*line 2: 'speed=9'; nothing was changed/m);
    writeFileSync(path, 'keys=20/s\n');
    using right = new ControlFollower(invocation, meter, { control: path }, initial);
    assert.equal(right.run.settings.keysPerSecond, 20);
  });

  test('refuses what is no small file', (t) => {
    const { invocation, meter, stderr, path } = scene(t);
    writeFileSync(path, '#'.repeat(5000));
    using _large = new ControlFollower(invocation, meter, { control: path });
    assert.match(stderr.text, /too large/);
    using _folder = new ControlFollower(invocation, meter, { control: join(path, '..') });
    assert.match(stderr.text, /not a file/);
  });

  test('pauses and goes on at every signal, until it ends', (t) => {
    const { invocation, meter, toggle } = scene(t);
    const follower = new ControlFollower(invocation, meter, {});
    toggle();
    assert.equal(follower.run.settings.paused, true);
    toggle();
    assert.equal(follower.run.settings.paused, false);
    follower[Symbol.dispose]();
    toggle();
    assert.equal(follower.run.settings.paused, false);
  });
});
