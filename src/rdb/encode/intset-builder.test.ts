import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteBuilder } from '../../base/index.ts';
import { parseCanonicalInt } from '../numbers/int-text.ts';
import { IntsetBuilder } from './intset-builder.ts';

function build(texts: readonly string[]): string {
  const builder = new IntsetBuilder();
  builder.begin();
  for (const text of texts) {
    const bytes = Buffer.from(text);
    assert.ok(parseCanonicalInt(bytes, 0, bytes.length));
    builder.add();
  }
  const out = new ByteBuilder(8);
  builder.appendTo(out);
  return out.view().toString('hex');
}

describe('IntsetBuilder', () => {
  test('takes the narrowest width that holds all members', () => {
    assert.equal(build(['-32768', '32767']), '02000000020000000080ff7f');
    assert.equal(build(['1', '32768']), '04000000020000000100000000800000');
    assert.equal(build(['2147483648']), '08000000010000000000008000000000');
  });

  test('sorts what comes in another order, in every width', () => {
    assert.equal(build(['300', '-1', '2']), '0200000003000000ffff02002c01');
    assert.equal(build(['300000', '2', '-5', '1']), build(['-5', '1', '2', '300000']));
    const wide = ['-9223372036854775808', '-4294967296', '-1', '0', '4294967295', '4294967296'];
    const sorted = build([...wide, '9223372036854775807']);
    assert.equal(build(['9223372036854775807', ...wide.toReversed()]), sorted);
    assert.ok(sorted.startsWith('08000000070000000000000000000080'));
    assert.ok(sorted.endsWith('ffffffffffffff7f'));
  });

  test('gives the texts back as they came', () => {
    const builder = new IntsetBuilder();
    const texts = ['5', '-9223372036854775808', '0'];
    builder.begin();
    for (const text of texts) {
      const bytes = Buffer.from(text);
      parseCanonicalInt(bytes, 0, bytes.length);
      builder.add();
    }
    const found: string[] = [];
    builder.forEachText((bytes, start, end) => {
      found.push(Buffer.from(bytes.subarray(start, end)).toString('latin1'));
    });
    assert.deepEqual(found, texts);
  });
});
