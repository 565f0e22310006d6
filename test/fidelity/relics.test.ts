import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CodedError } from '../../src/base/index.ts';
import { addKey, createModel } from '../support/model.ts';
import { refusedRelics, relics } from '../support/relic-builder.ts';
import { splitsOf } from '../support/splits.ts';
import { diffModels, fromJsonLines } from '../support/truth.ts';
import { decodeDump, digestDump, digestLines, rewriteLines } from './dump-lines.ts';

describe('relics: files that no server at hand writes', () => {
  for (const relic of relics()) {
    test(`${relic.name} (${relic.dialect} ${relic.rdbVersion}) decodes to what it says`, () => {
      const { file } = relic;
      const whole = decodeDump(file);
      const expected = createModel();
      expected.functions = undefined;
      for (const key of relic.keys) {
        addKey(expected, { type: key.value.kind, idleSeconds: null, frequency: null, ...key });
      }
      const model = fromJsonLines(whole.lines, { canonical: true });
      assert.deepEqual(diffModels(expected, model), []);
      assert.equal(whole.consumedBytes, file.length);
      assert.equal(whole.checksumVerified, relic.dialect === 'valkey' || relic.rdbVersion >= 5);
      assert.ok(rewriteLines(whole.lines, whole.format).equals(whole.lines));
      for (const cuts of splitsOf(file.length, 3)) {
        for (const batchBytes of [32, 1 << 16]) {
          const again = decodeDump(file, { cuts, batchBytes });
          assert.ok(again.lines.equals(whole.lines), `cut at ${cuts.join()} by ${batchBytes}`);
          assert.equal(again.sideLines, whole.sideLines);
        }
      }
      assert.deepEqual(digestLines(whole.lines), digestDump(file));
    });
  }
});

describe('refused relics', () => {
  for (const { name, file, code } of refusedRelics()) {
    test(`${name} is refused with ${code}, however it is cut`, () => {
      for (const cuts of splitsOf(file.length, 2)) {
        for (const batchBytes of [32, 1 << 16]) {
          assert.throws(
            () => decodeDump(file, { cuts, batchBytes }),
            (error) => error instanceof CodedError && error.code === code,
          );
        }
      }
    });
  }

  test('every cut of a relic is RDB_TRUNCATED', () => {
    for (const { name, file } of relics()) {
      if (file.length > 4096) continue;
      for (let size = 0; size < file.length; size++) {
        assert.throws(
          () => decodeDump(file.subarray(0, size), { batchBytes: 64 }),
          (error) => error instanceof CodedError && error.code === 'RDB_TRUNCATED',
          `${name} cut to ${size} bytes`,
        );
      }
    }
  });
});
