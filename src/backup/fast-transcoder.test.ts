import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { transcodeDump, type TranscodeOptions } from '../../test/fidelity/transcoded.ts';
import { dumpOf, randomDump, randomStringForms } from '../../test/support/random-dump.ts';
import { raw, refusedRelics, relics, str } from '../../test/support/relic-builder.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { targetFormat } from '../rdb/index.ts';
import { FastTranscoder } from './fast-transcoder.ts';

function assertSame(rdb: Uint8Array, options: TranscodeOptions, what: string): void {
  const ours = transcodeDump('kernel', rdb, options);
  assert.deepEqual(ours, transcodeDump('typescript', rdb, options), what);
}

/** The same, of a dump that can be read. */
function assertSameLines(rdb: Uint8Array, options: TranscodeOptions, what: string): void {
  assertSame(rdb, options, what);
  const { error, blocks } = transcodeDump('kernel', rdb, options);
  assert.equal(error, null, what);
  assert.ok(blocks.length > 0, what);
}

describe('FastTranscoder gives what Transcoder gives', () => {
  test('for relics and refused relics, however they are cut', () => {
    for (const { name, file } of [...relics(), ...refusedRelics()]) {
      for (const batchBytes of [1 << 20, 50]) assertSame(file, { batchBytes }, name);
    }
  });

  test('for random dumps of all types in the encodings of many servers', () => {
    const servers = [
      ['redis', 20400],
      ['redis', 20800],
      ['redis', 40000],
      ['redis', 60200],
      ['redis', 70000],
      ['redis', 80000],
      ['valkey', 80000],
      ['valkey', 90000],
    ] as const;
    for (const [at, [family, version]] of servers.entries()) {
      const rdb = randomDump(new SeededRandom(at + 1), targetFormat(family, version), 400);
      assertSameLines(rdb, { slotRanges: 4 }, `${family} ${version}`);
      assertSameLines(rdb, { batchBytes: 2000 }, `${family} ${version} in small batches`);
    }
  });

  test('for strings and scores in every form', () => {
    for (let seed = 1; seed <= 40; seed++) {
      assertSameLines(randomStringForms(new SeededRandom(seed), 120), {}, `seed ${seed}`);
    }
  });

  test('for doubles of every size', () => {
    const random = new SeededRandom(9);
    const scores: Buffer[] = [];
    const add = (value: number): void => {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(value);
      scores.push(raw(str('m'), bytes));
    };
    for (let power = -324; power <= 308; power++) {
      const ten = Number(`1e${power}`);
      for (const value of [ten, ten * 1.5, ten * 9.99999999999, -ten / 3]) add(value);
    }
    for (let power = -1074; power <= 1023; power++) {
      for (const value of [2 ** power, 2 ** power * (1 + 2 ** -52), 2 ** power * 1.9999999]) {
        add(value);
      }
    }
    for (let i = 0; i < 30_000; i++) {
      const bytes = random.bytes(8);
      if (Number.isFinite(bytes.readDoubleLE())) add(bytes.readDoubleLE());
      add(random.uint32() / 1000);
      add(random.uint32() / 2 ** random.below(40));
    }
    const records: Buffer[] = [];
    for (let at = 0; at < scores.length; at += 1000) {
      const some = scores.slice(at, at + 1000);
      const count = Buffer.from([0x80, 0, 0, some.length >> 8, some.length & 255]);
      records.push(raw(5, str(`z${at}`), count, ...some));
    }
    assertSameLines(dumpOf('REDIS0010', ...records), {}, 'doubles');
  });

  test('for doubles as text of up to 19 digits', () => {
    const random = new SeededRandom(10);
    const records: Buffer[] = [];
    for (let i = 0; i < 300; i++) {
      const members: Buffer[] = [];
      for (let j = 0; j < 60; j++) {
        const digits = `${random.uint32()}${random.uint32()}`.slice(0, random.between(1, 19));
        const at = random.below(digits.length + 1);
        const exponent = random.chance(0.5) ? `e${random.between(-345, 320)}` : '';
        const text = `${digits.slice(0, at)}.${digits.slice(at)}${exponent}`;
        members.push(raw(str('m'), text.length, Buffer.from(text)));
      }
      records.push(raw(3, str(`z${i}`), members.length, ...members));
    }
    assertSameLines(dumpOf('REDIS0006', ...records), {}, 'texts');
  });

  test('for lines around the length at which a key is cut', () => {
    for (const size of [1 << 19, (1 << 20) - 44, (1 << 20) - 43, (1 << 20) - 1, 1 << 20, 3 << 20]) {
      for (const fill of ['a', '"', '\xff', '\u0001']) {
        const value = Buffer.alloc(size, fill, 'latin1');
        const list = raw(1, str('list'), 3, str(value), str('x'), str(value.subarray(0, 9)));
        const file = dumpOf('REDIS0010', raw(0, str('k'), str(value)), list);
        assertSameLines(file, { batchBytes: 8 << 20 }, `${size} times ${fill}`);
      }
    }
  });

  test('for blocks that fill up', () => {
    const random = new SeededRandom(11);
    const records: Buffer[] = [];
    for (let i = 0; i < 60_000; i++) {
      const value = random.chance(0.001) ? random.word(90_000) : random.word(random.below(60));
      records.push(raw(0, str(`key:${i}`), str(value)));
    }
    assertSameLines(
      dumpOf('REDIS0010', ...records),
      { slotRanges: 2, batchBytes: 4 << 20 },
      'blocks',
    );
  });
});

test('FastTranscoder leaves selections of keys to Transcoder', () => {
  const options = { slotRanges: 1, snapshotAtMs: 0 };
  assert.ok(FastTranscoder.suits({ ...options, selection: {} }));
  assert.ok(FastTranscoder.suits({ ...options, selection: { databases: [1], types: ['hash'] } }));
  assert.ok(!FastTranscoder.suits({ ...options, selection: { match: [Buffer.from('*')] } }));
  assert.ok(!FastTranscoder.suits({ ...options, selection: {}, slotRanges: 257 }));
});
