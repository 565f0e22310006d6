import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pacer } from './pacer.ts';

function withClock(bytesPerSecond?: number, keysPerSecond?: number) {
  const clock = { at: 0, now: () => 0, monotonic: () => clock.at };
  return { clock, pacer: new Pacer(bytesPerSecond, keysPerSecond, clock) };
}

test('Pacer without limits never waits', () => {
  const { pacer } = withClock();
  for (let i = 0; i < 10; i++) assert.equal(pacer.take(1e9, 1e9), 0);
});

test('Pacer lets the first go and makes the next wait for it', () => {
  const { pacer, clock } = withClock(1000);
  assert.equal(pacer.take(500, 1), 0);
  assert.equal(pacer.take(500, 1), 500);
  clock.at = 400;
  assert.equal(pacer.take(1, 1), 600);
});

test('Pacer keeps to whichever limit is the tighter', () => {
  const { pacer } = withClock(1000, 10);
  assert.equal(pacer.take(100, 10), 0);
  assert.equal(pacer.take(3000, 1), 1000);
  assert.equal(pacer.take(0, 0), 4000);
});

test('Pacer saves up no more than a quarter of a second', () => {
  const { pacer, clock } = withClock(1000);
  clock.at = 60_000;
  assert.equal(pacer.take(1000, 0), 0);
  assert.equal(pacer.take(0, 0), 750);
});
