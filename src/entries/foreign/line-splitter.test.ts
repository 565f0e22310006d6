import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineSplitter, MAX_LINE_BYTES } from './line-splitter.ts';

function split(text: string, step: number): string[] {
  const seen: string[] = [];
  const splitter = new LineSplitter('x', (bytes, start, end, number, offset) => {
    seen.push(`${number}@${offset} ${Buffer.from(bytes.subarray(start, end)).toString()}`);
  });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += step) splitter.push(bytes.subarray(at, at + step));
  splitter.end();
  return seen;
}

test('LineSplitter gives the same lines, numbers and offsets however its input is cut', () => {
  const text = '\uFEFFone\n\ntwo\r\nthree\n\uFEFFfour';
  const expected = ['1@3 one', '2@7 ', '3@8 two\r', '4@13 three', '5@19 \uFEFFfour'];
  for (let step = 1; step <= 30; step++) assert.deepEqual(split(text, step), expected, `${step}`);
  assert.deepEqual(split('a\n', 9), ['1@0 a']);
  assert.deepEqual(split('', 9), []);
});

test('LineSplitter refuses a line that is too long before holding all of it', () => {
  const splitter = new LineSplitter('x', () => {});
  const chunk = Buffer.alloc(8 << 20, 0x20);
  splitter.push(Buffer.from('a\n'));
  const push = (): void => {
    for (let sent = 0; sent <= MAX_LINE_BYTES; sent += chunk.length) splitter.push(chunk);
  };
  assert.throws(push, { code: 'JSONL_INVALID', offset: 2, message: /line 2 of x.*64 MiB/ });
});
