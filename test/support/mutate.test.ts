import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mutate } from './mutate.ts';
import { SeededRandom } from './seeded-random.ts';

describe('mutate', () => {
  const input = Buffer.from('a buffer of no particular meaning, to be damaged');

  test('leaves its input alone, and usually changes the output', () => {
    const before = Buffer.from(input);
    const random = new SeededRandom(1);
    let changed = 0;
    for (let i = 0; i < 2000; i++) {
      const { bytes, what } = mutate(input, random);
      assert.notEqual(what, '');
      if (!bytes.equals(input)) changed++;
    }
    assert.deepEqual(input, before);
    assert.ok(changed > 1500, `only ${changed} of 2000 changed`);
  });

  test('does the same for the same seed', () => {
    const run = (seed: number): string => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 50 }, () => mutate(input, random, 3).what).join('\n');
    };
    assert.equal(run(7), run(7));
    assert.notEqual(run(7), run(8));
  });

  test('takes the empty buffer', () => {
    const random = new SeededRandom(3);
    for (let i = 0; i < 500; i++) mutate(Buffer.alloc(0), random, 2);
  });
});
