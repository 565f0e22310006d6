import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  diffModels,
  fromJsonLines,
  loadPsync,
  loadRdb,
  loadTruth,
  psyncNames,
  truthNames,
} from '../support/truth.ts';
import { splitsOf } from '../support/splits.ts';
import { decodeDump, digestDump, digestLines, rewriteLines } from './dump-lines.ts';

/** Byte by byte is slow: for dumps up to this size. */
const SMALL_BYTES = 64 << 10;

function assertTruth(
  expected: ReturnType<typeof loadTruth>['model'],
  lines: Uint8Array,
  sideLines: string,
): void {
  const all = Buffer.concat([lines, Buffer.from(sideLines)]);
  const model = fromJsonLines(all, { canonical: true });
  const differences = diffModels(expected, model);
  assert.deepEqual(differences.slice(0, 20), []);
}

describe('every RDB fixture', () => {
  const names = truthNames();
  test('is there', () => assert.ok(names.length >= 68, `${names.length} fixtures`));

  for (const name of names) {
    test(`${name} decodes to its ground truth, however it is cut`, () => {
      const truth = loadTruth(name);
      const rdb = loadRdb(name);
      const whole = decodeDump(rdb);
      assert.equal(whole.consumedBytes, rdb.length);
      assert.equal(whole.checksumVerified, !name.endsWith('.nocomp'));
      assert.equal(whole.keys, truth.model.keys.size);
      assertTruth(truth.model, whole.lines, whole.sideLines);

      const ways = splitsOf(rdb.length, 4, rdb.length);
      for (const cuts of rdb.length > SMALL_BYTES ? ways.slice(2) : ways) {
        const again = decodeDump(rdb, { cuts });
        assert.ok(again.lines.equals(whole.lines), `cut at ${cuts.slice(0, 9).join()}`);
        assert.equal(again.sideLines, whole.sideLines);
        assert.equal(again.consumedBytes, rdb.length);
      }
      for (const batchBytes of [64, 333, 4096]) {
        const again = decodeDump(rdb, { batchBytes, cuts: ways[2] ?? [] });
        assert.ok(again.longKeys > 0, 'no key took several batches');
        assert.ok(again.lines.equals(whole.lines), `batches of ${batchBytes}`);
        assert.equal(again.sideLines, whole.sideLines);
      }
    });

    test(`${name}: its lines are read back to the same lines and digests`, () => {
      const rdb = loadRdb(name);
      const { lines, format } = decodeDump(rdb);
      assert.ok(rewriteLines(lines, format).equals(lines));
      assert.deepEqual(digestLines(lines), digestDump(rdb));
    });
  }
});

describe('every recorded transfer', () => {
  const names = psyncNames();
  test('is there', () => assert.ok(names.length >= 20, `${names.length} fixtures`));

  for (const name of names) {
    test(`${name} holds an RDB that decodes to its ground truth`, () => {
      const { bytes, layout, afterRdb } = loadPsync(name);
      const rdb = bytes.subarray(layout.rdb[0], layout.rdb[1]);
      const whole = decodeDump(rdb);
      assert.equal(whole.consumedBytes, rdb.length);
      assert.ok(whole.checksumVerified);
      assertTruth(afterRdb, whole.lines, whole.sideLines);
      for (const cuts of splitsOf(rdb.length, 2)) {
        const again = decodeDump(rdb, { cuts, batchBytes: 128 });
        assert.ok(again.lines.equals(whole.lines), `cut at ${cuts.slice(0, 9).join()}`);
        assert.equal(again.sideLines, whole.sideLines);
      }
    });
  }
});
