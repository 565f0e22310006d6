import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDouble } from './parse-double.ts';

function parse(text: string): number {
  const bytes = Buffer.from(`1${text}9`);
  return parseDouble(bytes, 1, bytes.length - 1);
}

describe('parseDouble', () => {
  test('reads the texts that servers wrote', () => {
    const cases: [string, number][] = [
      ['0', 0],
      ['-0', -0],
      ['12', 12],
      ['-1.5', -1.5],
      ['.5', 0.5],
      ['5.', 5],
      ['1e+5', 1e5],
      ['1e-07', 1e-7],
      ['1E22', 1e22],
      ['0.10000000000000001', 0.1],
      ['3.1415926535897931', Math.PI],
      ['9007199254740993', 9007199254740992],
      ['1.7976931348623157e+308', Number.MAX_VALUE],
      ['4.9406564584124654e-324', Number.MIN_VALUE],
      ['1e400', Number.POSITIVE_INFINITY],
      ['1e-400', 0],
      ['0e999999999999', 0],
      ['00012.50', 12.5],
    ];
    for (const [text, expected] of cases) {
      assert.ok(Object.is(parse(text), expected), `${text} gave ${parse(text)}`);
    }
  });

  test('reads infinities in any spelling', () => {
    for (const text of ['inf', '+inf', 'Inf', 'INF', 'infinity', 'Infinity']) {
      assert.equal(parse(text), Number.POSITIVE_INFINITY);
    }
    assert.equal(parse('-inf'), Number.NEGATIVE_INFINITY);
    assert.equal(parse('-Infinity'), Number.NEGATIVE_INFINITY);
  });

  test('gives NaN for nan and for what is no number', () => {
    const words = [
      'nan',
      '-nan',
      '',
      '-',
      '+',
      '.',
      'e5',
      '1e',
      '1e+',
      '1x',
      'infx',
      '1.2.3',
      '--1',
    ];
    for (const text of [...words, ' 1', '1 ', '0x10', '1e5.']) {
      assert.ok(Number.isNaN(parse(text)), text);
    }
  });

  test('rounds like Number() just around halfway cases', () => {
    let state = 7;
    for (let i = 0; i < 20_000; i++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      const digits = `${state}${(state * 2654435761) % 1_000_000_000}`;
      const text = `${digits.slice(0, 1 + (state % 17))}e${(state % 60) - 30}`;
      assert.equal(parse(text), Number(text), text);
    }
  });
});
