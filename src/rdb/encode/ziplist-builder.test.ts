import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteBuilder } from '../../base/index.ts';
import { ZiplistReader } from '../encodings/ziplist.ts';
import { ZiplistBuilder } from './ziplist-builder.ts';

function build(texts: readonly string[]): Buffer {
  const out = new ByteBuilder(16);
  out.ascii('before');
  const builder = new ZiplistBuilder(out);
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
  const reader = new ZiplistReader();
  reader.open(box, 0, box.length, 0);
  const texts: string[] = [];
  while (reader.next()) {
    const text = Buffer.from(reader.bytes.subarray(reader.start, reader.end));
    texts.push(text.toString('latin1'));
  }
  return texts;
}

describe('ZiplistBuilder', () => {
  test('encodes the examples of the format', () => {
    const cases: [string, string][] = [
      ['a', '000161'],
      ['0', '00f1'],
      ['12', '00fd'],
      ['13', '00fe0d'],
      ['-1', '00feff'],
      ['300', '00c02c01'],
      ['-32769', '00f0ff7fff'],
      ['8388608', '00d000008000'],
      ['-9223372036854775808', '00e00000000000000080'],
      ['007', '0003303037'],
      ['', '0000'],
    ];
    for (const [text, entry] of cases) {
      assert.equal(build([text]).subarray(10, -1).toString('hex'), entry, text);
    }
    // A string of 250 bytes makes an entry of 253, one of 251 bytes an entry of 254
    assert.equal(
      build(['x'.repeat(250), 'a'])
        .subarray(-4, -1)
        .toString('hex'),
      'fd0161',
    );
    const after = build(['x'.repeat(251), 'a']);
    assert.equal(after.subarray(-8, -1).toString('hex'), 'fefe0000000161');
    assert.equal(after.readUInt32LE(4), 10 + 254);
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
    assert.equal(box.readUInt16LE(8), 0xffff);
    assert.equal(read(box).length, texts.length);
  });

  test('integer() takes any safe integer', () => {
    const out = new ByteBuilder();
    const builder = new ZiplistBuilder(out);
    builder.begin();
    const values = [0, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, -(2 ** 53) + 1, -5_000_000_000];
    for (const value of values) builder.integer(value);
    builder.finish();
    assert.deepEqual(read(out.copy()), values.map(String));
  });
});
