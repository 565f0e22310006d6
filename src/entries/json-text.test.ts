import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import { EDGE_TEXTS } from '../../test/support/edge-texts.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { ByteBuilder, isCoded } from '../base/index.ts';
import { JsonCursor } from './json-cursor.ts';
import { decodeText } from './json-stream-info.ts';
import { formatText, writeJsonText } from './json-text.ts';

function jsonOf(bytes: Uint8Array): string {
  const out = new ByteBuilder(0);
  out.ascii('before');
  const padded = Buffer.concat([Buffer.from('<'), bytes, Buffer.from('>')]);
  writeJsonText(out, padded, 1, padded.length - 1);
  return out.view().toString('utf8').slice('before'.length);
}

function readBack(json: string): Buffer {
  const bytes = Buffer.from(`${json},`);
  const cursor = new JsonCursor();
  cursor.open(bytes, 0, bytes.length);
  cursor.readText();
  assert.equal(cursor.pos, bytes.length - 1);
  return Buffer.from(cursor.text.subarray(cursor.textStart, cursor.textEnd));
}

/** The rule of the format, by itself. */
function expected(bytes: Buffer): string {
  if (!isUtf8(bytes)) return JSON.stringify(`base64:${bytes.toString('base64')}`);
  const text = bytes.toString('utf8');
  return JSON.stringify(/^(?:base64|text):/.test(text) ? `text:${text}` : text);
}

function assertText(bytes: Buffer): void {
  const json = jsonOf(bytes);
  assert.equal(json, expected(bytes));
  assert.ok(readBack(json).equals(bytes), json.slice(0, 100));
  assert.ok(decodeText(JSON.parse(json) as string).equals(bytes));
  assert.equal(formatText(bytes), JSON.parse(json));
}

const INVALID = [
  '80',
  'bf',
  'c0',
  'c080',
  'c1bf',
  'c2',
  'c220',
  'e0',
  'e080',
  'e08080',
  'e09fbf',
  'eda080',
  'edbfbf',
  'e28220',
  'f0808080',
  'f08fbfbf',
  'f0908080',
  'f48fbfbf',
  'f4908080',
  'f5808080',
  'f8888080',
  'fe',
  'ff',
];

describe('writeJsonText', () => {
  test('writes every byte, alone, in short and in long texts', () => {
    for (let byte = 0; byte < 256; byte++) {
      assertText(Buffer.from([byte]));
      for (const size of [3, 47, 48, 49, 300, 1000]) {
        const bytes = Buffer.alloc(size, 'a');
        for (const at of [0, 1, size - 1]) {
          bytes[at] = byte;
          assertText(bytes);
        }
      }
    }
  });

  test('writes texts that are not UTF-8 as base64, and only those', () => {
    for (const hex of INVALID) {
      const bytes = Buffer.from(hex, 'hex');
      for (const around of ['', 'a', 'é', '€']) {
        assertText(Buffer.concat([Buffer.from(around), bytes]));
        assertText(Buffer.concat([bytes, Buffer.from(around)]));
      }
    }
    for (const text of [
      'é',
      '€',
      '😀',
      '\u{10ffff}',
      '\ud7ff',
      '\ue000',
      '\u2028',
      '\u0000é',
      '\ufeff',
    ]) {
      assertText(Buffer.from(text));
    }
  });

  test('marks texts that begin like a mark', () => {
    assert.equal(jsonOf(Buffer.from('base64:AAAA')), '"text:base64:AAAA"');
    assert.equal(jsonOf(Buffer.from('text:')), '"text:text:"');
    assert.equal(jsonOf(Buffer.from('base64')), '"base64"');
    assert.equal(jsonOf(Buffer.from('base64:\xff', 'latin1')), '"base64:YmFzZTY0Ov8="');
    for (const text of [
      'text:text:a',
      'Text:',
      'base64:\n',
      ' text:',
      'tex',
      'b',
      't',
      'base64:é',
    ]) {
      assertText(Buffer.from(text));
    }
  });

  test('writes random bytes and texts of every length', () => {
    const random = new SeededRandom(9);
    for (let size = 0; size < 700; size += size < 60 ? 1 : 13) {
      assertText(random.bytes(size));
      assertText(Buffer.from('aé\n"€😀\\x'.repeat(size)).subarray(0, size));
    }
    for (const text of EDGE_TEXTS) assertText(text);
  });
});

describe('JsonCursor.readText', () => {
  test('reads what other writers may write: every escape, surrogate pairs', () => {
    assert.equal(
      readBack('"\\u0041\\u00e9\\u20ac\\ud83d\\uDE00\\/\\b\\f"').toString(),
      'Aé€😀/\b\f',
    );
    assert.equal(readBack('"text:\\u0062ase64:"').toString(), 'base64:');
  });

  test('refuses half a surrogate pair, unknown escapes, bad base64 and texts without end', () => {
    const bad = [
      '"\\ud83d"',
      '"\\ude00"',
      '"\\ud83d\\u0041"',
      '"\\x"',
      '"\\u12"',
      '"\\u12g4"',
      '"a',
      '"a\\"',
      'a"',
    ];
    bad.push(
      '"base64:A"',
      '"base64:AA=A"',
      '"base64:A==="',
      '"base64:===="',
      '"base64:AA==AAAA"',
      '"base64:A*AA"',
    );
    for (const json of bad) {
      assert.throws(
        () => readBack(json),
        (error) => isCoded(error, 'JSONL_INVALID'),
        json,
      );
    }
  });
});
