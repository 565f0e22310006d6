import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DistinctTexts, RECORD_WORDS, type RecordSpill } from './distinct-texts.ts';

function add(distinct: DistinctTexts, text: string, number: number, scope = 0): number {
  const bytes = Buffer.from(text);
  distinct.begin(scope);
  distinct.bytes(bytes, 0, bytes.length);
  return distinct.end(number);
}

test('DistinctTexts finds every text that came before, and its number', () => {
  const distinct = new DistinctTexts();
  for (let i = 0; i < 5000; i++) assert.equal(add(distinct, `text ${i}`, i + 2 ** 40), -1);
  for (let i = 0; i < 5000; i += 7) assert.equal(add(distinct, `text ${i}`, 1), i + 2 ** 40);
  assert.equal(add(distinct, 'text 1', 1, 1), -1, 'another scope');
  assert.equal(distinct.finish(), undefined);
  assert.equal(add(distinct, 'text 1', 5), -1, 'forgotten');
  assert.equal(add(distinct, 'text 1', 6), 5);
});

test('DistinctTexts hands everything to its spill once it holds enough', () => {
  const taken: number[] = [];
  const spill: RecordSpill = {
    take(records, count) {
      for (let i = 0; i < count; i++) taken.push(records[i * RECORD_WORDS + 5] ?? -1);
    },
    finish: () => ({ first: 1, again: 2 }),
  };
  const distinct = new DistinctTexts(spill, 100);
  for (let i = 0; i < 1000; i++) assert.equal(add(distinct, `text ${i}`, i), -1);
  assert.ok(taken.length >= 800 && taken.length < 1000, `${taken.length}`);
  assert.deepEqual(distinct.finish(), { first: 1, again: 2 });
  assert.deepEqual(
    taken.sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  assert.equal(distinct.finish(), undefined, 'nothing was spilled since');
});
