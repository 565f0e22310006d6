import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { RunControl } from '../base/index.ts';
import { Pace } from './pace.ts';

async function isWaiting(taken: Promise<unknown>): Promise<boolean> {
  const turns = async (): Promise<'waiting'> => {
    for (let i = 0; i < 5; i++) await turn();
    return 'waiting';
  };
  return (await Promise.race([taken, turns()])) === 'waiting';
}

describe('Pace', () => {
  test('waits for nothing without a control or a limit', async () => {
    await new Pace().take(1e12);
    const pace = new Pace(new RunControl());
    await pace.take(1e12);
    await pace.take(1e12);
  });

  test('waits while it is paused, and until a limit that is too low is taken off', async () => {
    const control = new RunControl({ paused: true });
    const pace = new Pace(control);
    const first = pace.take(1000);
    assert.ok(await isWaiting(first));
    control.change({ paused: false, bytesPerSecond: 0.001 });
    await first;
    const second = pace.take(1000);
    assert.ok(await isWaiting(second));
    control.change({ bytesPerSecond: null });
    await second;
  });

  test('ends with the signal', async () => {
    const pace = new Pace(new RunControl({ paused: true }));
    const stop = new AbortController();
    const taken = pace.take(1, stop.signal);
    assert.ok(await isWaiting(taken.catch(() => {})));
    stop.abort(new Error('enough'));
    await assert.rejects(taken);
  });
});
