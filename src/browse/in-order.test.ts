import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inOrder } from './in-order.ts';

describe('inOrder', () => {
  test('keeps the order and no more than so many under way', async () => {
    let under = 0;
    let most = 0;
    const work = async (item: number): Promise<number> => {
      most = Math.max(most, ++under);
      // Later items are done sooner.
      for (let i = 0; i < 20 - item; i++) await Promise.resolve();
      under--;
      return item * 2;
    };
    const results: number[] = [];
    for await (const result of inOrder([1, 2, 3, 4, 5, 6, 7], 3, work)) results.push(result);
    assert.deepEqual(results, [2, 4, 6, 8, 10, 12, 14]);
    assert.equal(most, 3);
  });

  test('fails in its turn', async () => {
    const work = async (item: number): Promise<number> => {
      if (item === 2) throw new Error('two');
      return item;
    };
    const results: number[] = [];
    const run = async (): Promise<void> => {
      for await (const result of inOrder([1, 2, 3], 3, work)) results.push(result);
    };
    await assert.rejects(run(), /two/);
    assert.deepEqual(results, [1]);
  });
});
