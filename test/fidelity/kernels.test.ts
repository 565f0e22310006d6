import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadRdb, truthNames } from '../support/truth.ts';
import { transcodeDump, type TranscodeOptions, type Transcoded } from './transcoded.ts';

describe('the kernel gives what TypeScript gives', () => {
  for (const name of truthNames()) {
    test(`for ${name}`, () => {
      const rdb = loadRdb(name);
      const small = rdb.length < 100_000;
      for (const options of [{}, { slotRanges: 3, batchBytes: small ? 100 : 20_000 }]) {
        assert.deepEqual(transcodeDump('kernel', rdb, options), typescript(rdb, options));
      }
    });
  }

  test('the same lines when more blocks are open than the kernel has slots', () => {
    for (const name of ['redis-7.0.15', 'keydb-6.3.4', 'redis-8.6.3']) {
      const rdb = loadRdb(name);
      const options = { slotRanges: 16 };
      const [ours, theirs] = [transcodeDump('kernel', rdb, options), typescript(rdb, options)];
      assert.deepEqual(sortedLines(ours), sortedLines(theirs));
      assert.deepEqual(ours.counts, theirs.counts);
    }
  });

  test('for selections of databases and types', () => {
    for (const name of ['redis-7.0.15', 'valkey-9.1.2']) {
      const rdb = loadRdb(name);
      for (const selection of [
        { databases: [0] },
        { databases: [3, 9] },
        { types: ['hash', 'stream'] as const },
        { databases: [0], types: ['string', 'module'] as const },
        { types: [] },
      ]) {
        const options = { selection };
        assert.deepEqual(transcodeDump('kernel', rdb, options), typescript(rdb, options));
      }
    }
  });
});

function typescript(rdb: Buffer, options: TranscodeOptions): Transcoded {
  return transcodeDump('typescript', rdb, options);
}

function sortedLines({ blocks }: Transcoded): string[] {
  return blocks
    .flatMap(({ db, range, lines }) =>
      lines
        .split('\n')
        .slice(0, -1)
        .map((line) => `${db} ${range} ${line}`),
    )
    .sort();
}
