import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteBuilder } from '../../base/index.ts';
import { ENTRY_TYPES } from '../../entries/index.ts';
import { hashKey, type KeyFields, RecordChunk, writeRecord } from './key-record.ts';

const CORE = '0123456789abcdef0123456789abcdef';

function digestOf(core: string, counters: string | null): KeyFields['digest'] {
  return { counters, writeCore: (out, at) => void Buffer.from(core, 'hex').copy(out, at) };
}

function fieldsOf(key: string, changes: Partial<KeyFields> = {}): KeyFields {
  const bytes = Buffer.from(`<${key}>`);
  return {
    db: 3,
    key: bytes,
    keyStart: 1,
    keyEnd: bytes.length - 1,
    type: 'hash',
    expireAtMs: -1,
    digest: digestOf(CORE, null),
    ...changes,
  };
}

function chunkOf(
  ...records: readonly { readonly fields: KeyFields; readonly line?: string }[]
): RecordChunk {
  const out = new ByteBuilder(8);
  const hashes = new Uint32Array(2);
  for (const { fields, line } of records) {
    hashKey(fields.db, fields.key, fields.keyStart, fields.keyEnd, hashes);
    const bytes = Buffer.from(`{${line}`);
    const range = line === undefined ? null : { bytes, start: 1, end: bytes.length };
    writeRecord(out, fields, hashes, range);
  }
  return new RecordChunk(out.copy());
}

describe('RecordChunk', () => {
  test('gives back what writeRecord wrote, whatever is there and however long', () => {
    const written = ENTRY_TYPES.flatMap((type, i) =>
      [undefined, '', 'line'].map((line) => ({
        line,
        fields: fieldsOf('k'.repeat(i), {
          type,
          expireAtMs: i % 2 === 0 ? -1 : Number.MAX_SAFE_INTEGER,
          digest: digestOf(CORE, i % 3 === 0 ? null : `1 0-0 ${i}`),
        }),
      })),
    );
    const chunk = chunkOf(
      ...written.map(({ line, fields }) => (line === undefined ? { fields } : { fields, line })),
    );
    let word = 0;
    for (const { fields, line } of written) {
      const { key, keyStart, keyEnd } = fields;
      assert.deepEqual(chunk.key(word), key.subarray(keyStart, keyEnd));
      assert.equal(chunk.type(word), fields.type);
      assert.equal(chunk.expireAtMs(word), fields.expireAtMs);
      assert.equal(chunk.line(word)?.toString(), line);
      word = chunk.next(word);
    }
    assert.equal(word, chunk.words.length);
  });

  test('compares keys by database and bytes even where hashes are equal', () => {
    const hashes = Uint32Array.of(7, 7);
    const out = new ByteBuilder();
    const all = [fieldsOf('same'), fieldsOf('same'), fieldsOf('sane'), fieldsOf('same', { db: 4 })];
    const starts = all.map((fields) => {
      const at = out.length / 4;
      writeRecord(out, fields, hashes, null);
      return at;
    });
    const chunk = new RecordChunk(out.copy());
    const same = starts.map((at) => chunk.isSameKey(starts[0], chunk, at));
    assert.deepEqual(same, [true, true, false, false]);
  });

  test('compares counters only where both sides have them', () => {
    const digests = [null, '1 0-0 1', '2 0-0 1', '1 0-0 1'].map((counters) =>
      digestOf(CORE, counters),
    );
    const other = digestOf(`f${CORE.slice(1)}`, null);
    const chunks = [...digests, other].map((digest) =>
      chunkOf({ fields: fieldsOf('k', { digest, type: 'stream' }) }),
    );
    const isSame = (a: number, b: number): boolean => chunks[a].isSameValue(0, chunks[b], 0);
    assert.deepEqual([isSame(0, 1), isSame(1, 0), isSame(1, 3)], [true, true, true]);
    assert.deepEqual([isSame(1, 2), isSame(0, 4), isSame(4, 0)], [false, false, false]);
  });
});

describe('hashKey', () => {
  test('spreads similar keys, and the same key over databases', () => {
    const hashes = new Uint32Array(2);
    const seen = new Set<string>();
    const buckets = new Uint32Array(64);
    for (let i = 0; i < 20_000; i++) {
      const key = Buffer.from(`key:${String(i % 10_000).padStart(8, '0')}`);
      hashKey(i < 10_000 ? 0 : 1, key, 0, key.length, hashes);
      seen.add(hashes.join());
      buckets[hashes[0] % 64]++;
    }
    assert.equal(seen.size, 20_000);
    assert.ok(Math.min(...buckets) > 200 && Math.max(...buckets) < 450, buckets.join());
  });
});
