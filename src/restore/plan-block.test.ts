import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ABSENT, type BlockSight, DIFFERENT, EQUAL, PRINT_BYTES } from './look/block-sight.ts';
import { ACTION, planAgain, planBlock } from './plan-block.ts';
import type { ConflictPolicy } from './policies.ts';

type Name = keyof typeof ACTION;

/** One key; `print`: 1 for what it was before, 2 for something else. */
function sightOf(state: number, copy = ABSENT, print = 1): BlockSight {
  return {
    states: Uint8Array.of(state),
    copies: Uint8Array.of(copy),
    prints: new Uint8Array(PRINT_BYTES).fill(print),
  };
}

function nameOf(action: number | undefined): Name {
  return (Object.keys(ACTION) as Name[]).find((name) => ACTION[name] === action) as Name;
}

describe('planBlock', () => {
  test('writes where nothing is, leaves equal keys, and treats others by policy', () => {
    const rows: [number, ConflictPolicy, Name][] = [
      [ABSENT, 'overwrite', 'write'],
      [EQUAL, 'fail', 'unchanged'],
      [DIFFERENT, 'rename', 'rename'],
      [DIFFERENT, 'skip', 'skip'],
      [DIFFERENT, 'overwrite', 'overwrite'],
      [DIFFERENT, 'fail', 'conflict'],
    ];
    for (const [state, policy, wanted] of rows) {
      assert.equal(nameOf(planBlock(1, sightOf(state), policy)[0]), wanted);
    }
    assert.deepEqual([...planBlock(2, undefined, 'fail')], [ACTION.write, ACTION.write]);
  });
});

describe('planAgain', () => {
  const plan = (before: number, sight: BlockSight, policy: ConflictPolicy): Name => {
    const prints = new Uint8Array(PRINT_BYTES).fill(1);
    const notes = { nowMs: 0, count: 1, states: Uint8Array.of(before), prints };
    return nameOf(planAgain(1, sight, notes, policy)[0]);
  };

  test('takes what is there and equal for its own, or for what was there before', () => {
    for (const policy of ['rename', 'skip', 'overwrite', 'fail'] as const) {
      assert.equal(plan(ABSENT, sightOf(EQUAL), policy), 'restored');
      assert.equal(plan(EQUAL, sightOf(EQUAL), policy), 'unchanged');
      assert.equal(plan(ABSENT, sightOf(ABSENT), policy), 'write');
      assert.equal(plan(EQUAL, sightOf(ABSENT), policy), 'write');
    }
  });

  test('reports what an application changed, and never overwrites it', () => {
    for (const policy of ['rename', 'skip', 'overwrite', 'fail'] as const) {
      assert.equal(plan(ABSENT, sightOf(DIFFERENT), policy), 'changed');
      assert.equal(plan(EQUAL, sightOf(DIFFERENT), policy), 'changed');
    }
    assert.equal(plan(DIFFERENT, sightOf(DIFFERENT, ABSENT, 2), 'overwrite'), 'changed');
    assert.equal(plan(DIFFERENT, sightOf(DIFFERENT, DIFFERENT), 'rename'), 'copyChanged');
  });

  test('goes on with what was to be overwritten, skipped or renamed', () => {
    assert.equal(plan(DIFFERENT, sightOf(DIFFERENT), 'overwrite'), 'overwrite');
    assert.equal(plan(DIFFERENT, sightOf(EQUAL), 'overwrite'), 'overwritten');
    assert.equal(plan(DIFFERENT, sightOf(ABSENT), 'overwrite'), 'write');
    for (const now of [ABSENT, EQUAL, DIFFERENT]) {
      assert.equal(plan(DIFFERENT, sightOf(now), 'skip'), 'skip');
      assert.equal(plan(DIFFERENT, sightOf(now, ABSENT), 'rename'), 'rename');
      assert.equal(plan(DIFFERENT, sightOf(now, EQUAL), 'rename'), 'renamed');
    }
  });

  test('knows a renamed copy of its own where the key appeared while it was writing', () => {
    assert.equal(plan(ABSENT, sightOf(DIFFERENT, EQUAL), 'rename'), 'renamed');
    assert.equal(plan(ABSENT, sightOf(DIFFERENT, EQUAL), 'skip'), 'changed');
  });

  test('without notes that fit overwrites nothing', () => {
    const again = (state: number) =>
      nameOf(planAgain(1, sightOf(state), undefined, 'overwrite')[0]);
    assert.deepEqual([ABSENT, EQUAL, DIFFERENT].map(again), ['write', 'restored', 'changed']);
  });

  test('overwrites nothing whose fingerprint was not noted', () => {
    const states = Uint8Array.of(DIFFERENT);
    const notes = { nowMs: 0, count: 1, states, prints: new Uint8Array(0) };
    const [action] = planAgain(1, sightOf(DIFFERENT), notes, 'overwrite');
    assert.equal(action, ACTION.changed);
  });
});
