import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { RunControl } from '../base/index.ts';
import { ImportPace } from './import-pace.ts';

/** How many milliseconds a wait takes, by a clock that this makes go. */
async function timeOf(
  pace: ImportPace,
  clock: { ms: number },
  bytes: number,
  onTick?: (ms: number) => void,
): Promise<number> {
  const startMs = clock.ms;
  let isOver = false;
  const wait = async (): Promise<void> => {
    await pace.wait(bytes);
    isOver = true;
  };
  const waiting = wait();
  for (;;) {
    await new Promise(setImmediate);
    if (isOver) break;
    assert.ok(clock.ms - startMs < 100_000, 'it waits for ever');
    clock.ms += 10;
    mock.timers.tick(10);
    onTick?.(clock.ms - startMs);
  }
  await waiting;
  return clock.ms - startMs;
}

describe('ImportPace', () => {
  test('reads as many bytes a second as it may, and obeys another rate soon', async (t) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    t.after(() => mock.timers.reset());
    const clock = { ms: 5000 };
    const control = new RunControl({ bytesPerSecond: 1000 });
    const pace = new ImportPace(control, { now: () => 0, monotonic: () => clock.ms });
    assert.equal(await timeOf(pace, clock, 2000), 2000);
    assert.equal(await timeOf(pace, clock, 500), 500);
    const faster = await timeOf(pace, clock, 10_000, (ms) => {
      if (ms === 1000) control.change({ bytesPerSecond: 100_000 });
    });
    assert.ok(faster >= 1000 && faster <= 1300, `${faster} ms`);
    control.change({ bytesPerSecond: null });
    assert.equal(await timeOf(pace, clock, 1e9), 0);
  });

  test('stands still while it is paused', async () => {
    const control = new RunControl({ paused: true });
    const clock = { ms: 0 };
    const pace = new ImportPace(control, { now: () => 0, monotonic: () => clock.ms });
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const waited = await timeOf(pace, clock, 1, (ms) => {
        if (ms === 7000) control.change({ paused: false });
      });
      assert.equal(waited, 7000);
    } finally {
      mock.timers.reset();
    }
  });
});
