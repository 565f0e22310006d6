import assert from 'node:assert/strict';
import { mock, test, type TestContext } from 'node:test';
import { RunControl } from '../../base/index.ts';
import { Pacer, type PacerOptions } from './pacer.ts';

/** A pacer under mocked time; `passed` tells how many of the takes have been let through. */
function paced(t: TestContext, rates: ConstructorParameters<typeof RunControl>[0] = {}) {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const clock = { at: 0, now: () => 0, monotonic: () => clock.at };
  const control = new RunControl(rates);
  const controller = new AbortController();
  const pauses: boolean[] = [];
  const options: PacerOptions = {
    control,
    clock,
    signal: controller.signal,
    onPause: (paused) => pauses.push(paused),
  };
  const pacer = new Pacer(options);
  const seen = { passed: 0 };
  const take = async (bytes: number, keys: number): Promise<void> => {
    await pacer.take(bytes, keys);
    seen.passed++;
  };
  const after = async (ms: number): Promise<number> => {
    await settled();
    clock.at += ms;
    mock.timers.tick(ms);
    await settled();
    return seen.passed;
  };
  return { pacer, take, after, control, controller, pauses };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test('Pacer without limits never waits', async () => {
  const pacer = new Pacer();
  for (let i = 0; i < 10; i++) await pacer.take(1e9, 1e9);
  assert.equal(pacer.passedBytes, 1e10);
});

test('Pacer lets the first go and makes the next wait for it', async (t) => {
  const { take, after } = paced(t, { bytesPerSecond: 1000 });
  void take(500, 1);
  assert.equal(await after(0), 1);
  void take(500, 1);
  assert.equal(await after(499), 1);
  assert.equal(await after(1), 2);
});

test('Pacer keeps to whichever limit is the tighter', async (t) => {
  const { take, after } = paced(t, { bytesPerSecond: 1000, keysPerSecond: 10 });
  void take(100, 10);
  void take(3000, 1);
  assert.equal(await after(999), 1);
  assert.equal(await after(1), 2);
  // What the bytes did not use while the keys were waited for is theirs.
  void take(0, 0);
  assert.equal(await after(2749), 2);
  assert.equal(await after(1), 3);
});

test('Pacer saves up no more than a quarter of a second', async (t) => {
  const { take, after } = paced(t, { bytesPerSecond: 1000 });
  await after(60_000);
  void take(1000, 0);
  void take(0, 0);
  assert.equal(await after(749), 1);
  assert.equal(await after(1), 2);
});

test('Pacer obeys a rate that is changed while it waits', async (t) => {
  const { take, after, control, pacer } = paced(t, { bytesPerSecond: 1 });
  void take(1000, 0);
  void take(1000, 0);
  assert.equal(await after(0), 1);
  control.change({ bytesPerSecond: 1000 });
  assert.equal(await after(999), 1);
  assert.equal(await after(1), 2);
  pacer.limit(10);
  void take(0, 0);
  assert.equal(await after(99_000), 2);
  pacer.limit(null);
  control.change({ bytesPerSecond: null });
  assert.equal(await after(0), 3);
});

test('Pacer stands still while it is paused, and says so', async (t) => {
  const { take, after, control, pauses } = paced(t);
  control.change({ paused: true });
  void take(1, 1);
  assert.equal(await after(1e6), 0);
  control.change({ keysPerSecond: 5 });
  assert.equal(await after(1e6), 0);
  control.change({ paused: false });
  assert.equal(await after(0), 1);
  assert.deepEqual(pauses, [true, false]);
});

test('Pacer wakes up to be interrupted', async (t) => {
  const { take, after, control, controller } = paced(t);
  control.change({ paused: true });
  const waiting = take(1, 1);
  const outcome = assert.rejects(waiting, /stop/);
  await after(0);
  controller.abort(new Error('stop'));
  await outcome;
});
