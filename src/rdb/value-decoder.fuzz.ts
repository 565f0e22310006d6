import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeDump } from '../../test/fidelity/dump-lines.ts';
import { mutate } from '../../test/support/mutate.ts';
import { refusedRelics, relics } from '../../test/support/relic-builder.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { loadRdb, truthNames } from '../../test/support/truth.ts';
import { CodedError } from '../base/index.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20261122);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 2500);
/** What a damaged dump of a few KiB may make us hold: a bound of LZF is a factor of 264. */
const MEMORY_BYTES = 256 << 20;

test(`a damaged dump ends in entries or a CodedError, seed ${SEED}`, () => {
  const random = new SeededRandom(SEED);
  const small = truthNames().filter((name) => /\.(lru|lfu|nocomp|cluster)$/.test(name));
  const inputs = [
    ...relics().map(({ name, file }) => ({ name, file })),
    ...refusedRelics().map(({ name, file }) => ({ name, file })),
    ...small.map((name) => ({ name, file: loadRdb(name) })),
  ];
  let ends = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { name, file } = random.pick(inputs);
    const { bytes, what } = mutate(file, random, random.between(1, 4));
    // Without its checksum, or nothing behind the scanner would ever see the damage.
    if (random.chance(0.9) && bytes.length > 9) bytes.fill(0, bytes.length - 8);
    const batchBytes = random.pick([32, 100, 4096, 1 << 16]);
    const cuts = [random.below(bytes.length + 1)];
    const where = `round ${round}: ${name}, ${what}, batches of ${batchBytes}`;
    try {
      decodeDump(bytes, { batchBytes, cuts });
      ends++;
    } catch (error) {
      assert.ok(error instanceof CodedError, `${where}: ${(error as Error).stack}`);
    }
    const { arrayBuffers } = process.memoryUsage();
    assert.ok(arrayBuffers < MEMORY_BYTES, `${where}: ${arrayBuffers} bytes held`);
  }
  assert.ok(ends > 0, 'every damage was noticed: the fuzz reaches nothing behind the scanner');
});
