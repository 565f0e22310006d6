import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteBuilder } from '../../base/index.ts';
import { ListpackReader } from '../encodings/listpack.ts';
import { ListpackBuilder } from './listpack-builder.ts';

function build(texts: readonly string[]): Buffer {
  const out = new ByteBuilder(16);
  out.ascii('before');
  const builder = new ListpackBuilder(out);
  builder.begin();
  for (const text of texts) {
    const bytes = Buffer.from(`<${text}>`, 'latin1');
    builder.text(bytes, 1, bytes.length - 1);
  }
  assert.equal(builder.count, texts.length);
  const size = builder.size;
  builder.finish();
  assert.equal(out.length - 6, size);
  return Buffer.from(out.bytes.subarray(6, out.length));
}

function read(box: Buffer): string[] {
  const reader = new ListpackReader();
  reader.open(box, 0, box.length, 0);
  const texts: string[] = [];
  while (reader.next()) {
    const text = Buffer.from(reader.bytes.subarray(reader.start, reader.end));
    texts.push(text.toString('latin1'));
  }
  return texts;
}

describe('ListpackBuilder', () => {
  test('encodes the examples of the format', () => {
    const cases: [string, string][] = [
      ['-1', 'dfff02'],
      ['300', 'c12c02'],
      ['a', '816102'],
      ['0', '0001'],
      ['127', '7f01'],
      ['128', 'c08002'],
      ['4095', 'cfff02'],
      ['-4096', 'd00002'],
      ['4096', 'f1001003'],
      ['-32769', 'f2ff7fff04'],
      ['8388608', 'f30000800005'],
      ['-9223372036854775808', 'f4000000000000008009'],
      ['007', '8330303704'],
      ['', '8001'],
    ];
    for (const [text, entry] of cases) {
      assert.equal(build([text]).subarray(6, -1).toString('hex'), entry, text);
    }
    const long = build(['x'.repeat(200)]);
    assert.equal(long.subarray(6, 8).toString('hex'), 'e0c8');
    assert.equal(long.subarray(-3, -1).toString('hex'), '01ca');
  });

  test('reads back for every integer boundary and every width of size', () => {
    const texts: string[] = [];
    for (let bit = 0n; bit < 64n; bit++) {
      for (const near of [-2n, -1n, 0n, 1n, 2n]) {
        for (const value of [(1n << bit) + near, -(1n << bit) + near]) texts.push(String(value));
      }
    }
    for (const size of [63, 64, 126, 127, 128, 4095, 4096, 16381, 16382, 16383, 2097150]) {
      texts.push('y'.repeat(size));
    }
    assert.deepEqual(read(build(texts)), texts);
  });

  test('says that it does not know a count beyond 65,534', () => {
    const texts = Array.from({ length: 65_535 }, () => '1');
    const box = build(texts);
    assert.equal(box.readUInt16LE(4), 0xffff);
    assert.equal(read(box).length, texts.length);
  });

  test('integer() takes any safe integer', () => {
    const out = new ByteBuilder();
    const builder = new ListpackBuilder(out);
    builder.begin();
    const values = [0, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, -(2 ** 53) + 1, -5_000_000_000];
    for (const value of values) builder.integer(value);
    builder.finish();
    assert.deepEqual(read(out.copy()), values.map(String));
  });
});
