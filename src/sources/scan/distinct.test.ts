import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import { Distinct } from './distinct.ts';

async function distinctOf(names: readonly string[], expected: number) {
  const distinct = new Distinct<string>(expected, tmpdir());
  const taken: string[] = [];
  let undecided = 0;
  for (const name of names) {
    if (distinct.take(Buffer.from(name), name, name.length)) taken.push(name);
    else undecided++;
    if (distinct.isFull) taken.push(...(await distinct.decide()));
  }
  taken.push(...(await distinct.decide()));
  distinct.close();
  return { taken, repeated: distinct.repeated, undecided };
}

describe('Distinct', () => {
  test('takes every name once, whatever comes again and when', async () => {
    const names = Array.from({ length: 20_000 }, (_, i) => `name:${i % 7000}`);
    const { taken, repeated } = await distinctOf(names, 7000);
    assert.equal(taken.length, 7000);
    assert.equal(new Set(taken).size, 7000);
    assert.equal(repeated, 13_000);
  });

  test('is exact with a filter that is far too small, and decides about many at a time', async () => {
    const count = 150_000;
    const names = Array.from({ length: count }, (_, i) => `${i}`);
    const { taken, repeated, undecided } = await distinctOf([...names, '7', '149999'], 1);
    assert.ok(undecided > count / 2, 'the filter was of no use');
    assert.equal(taken.length, count);
    assert.equal(new Set(taken).size, count);
    assert.equal(repeated, 2);
  });

  test('takes a name that only looked repeated, and knows it when it comes again', async () => {
    const distinct = new Distinct<string>(1, tmpdir());
    let late: string | undefined;
    for (let i = 0; late === undefined; i++) {
      if (!distinct.take(Buffer.from(`${i}`), `${i}`, 1)) late = `${i}`;
    }
    assert.deepEqual(await distinct.decide(), [late]);
    assert.equal(distinct.take(Buffer.from(late), late, 1), false);
    assert.deepEqual(await distinct.decide(), []);
    assert.equal(distinct.repeated, 1);
    distinct.close();
  });
});
