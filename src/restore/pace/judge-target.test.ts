import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DEFAULT_BOUNDS, judgeTarget, type TargetVitals } from './judge-target.ts';

const MIB = 1 << 20;

function vitals(change: Partial<TargetVitals> = {}): TargetVitals {
  return {
    atMs: 1000,
    latencyMs: 1,
    countedBytes: 50 * MIB,
    maxBytes: 0,
    replicaBufferBytes: 0,
    passedBytes: 0,
    ...change,
  };
}

const judge = (now: TargetVitals, before?: TargetVitals) =>
  judgeTarget(now, before, DEFAULT_BOUNDS);

describe('judgeTarget', () => {
  test('has nothing to say about a target that is well', () => {
    assert.deepEqual(judge(vitals()), {});
    assert.deepEqual(judge(vitals({ maxBytes: 1000 * MIB, atMs: 2000 }), vitals()), {});
  });

  test('slows down for replicas that do not keep up', () => {
    const { slow, stop } = judge(vitals({ replicaBufferBytes: 100 * MIB }));
    assert.match(slow ?? '', /100 MiB for its replicas/);
    assert.equal(stop, undefined);
  });

  test('slows down when two answers in a row were late', () => {
    const late = vitals({ latencyMs: 800 });
    assert.deepEqual(judge(late), {});
    assert.deepEqual(judge(late, vitals()), {});
    assert.match(judge(late, late).slow ?? '', /800 ms/);
  });

  test('slows down so that half of what is left of the memory fills by the next look', () => {
    const before = vitals({ maxBytes: 100 * MIB, countedBytes: 60 * MIB });
    const now = vitals({
      maxBytes: 100 * MIB,
      countedBytes: 77 * MIB,
      atMs: 2000,
      passedBytes: 34 * MIB,
    });
    const { slow, bytesPerSecond } = judge(now, before);
    assert.match(slow ?? '', /77 MiB of 100 MiB/);
    assert.equal(bytesPerSecond, 20 * MIB);
    assert.deepEqual(judge({ ...now, countedBytes: before.countedBytes }, before), {});
  });

  test('stops before the memory is full', () => {
    const now = vitals({ maxBytes: 100 * MIB, countedBytes: 97 * MIB });
    assert.match(judge(now).stop ?? '', /nearly full/);
  });
});
