import assert from 'node:assert/strict';
import { test } from 'node:test';
import { transcodeDump } from '../../test/fidelity/transcoded.ts';
import { mutate } from '../../test/support/mutate.ts';
import { randomDump, randomStringForms } from '../../test/support/random-dump.ts';
import { relics } from '../../test/support/relic-builder.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { loadRdb, truthNames } from '../../test/support/truth.ts';
import { targetFormat } from '../rdb/index.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20261122);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 600);

test(`a damaged dump ends alike with and without the kernel, seed ${SEED}`, () => {
  const random = new SeededRandom(SEED);
  const inputs = relics().map(({ name, file }) => ({ name, file }));
  const small = truthNames().filter((name) => /\.(lru|lfu|cluster)$/.test(name));
  for (const name of small) inputs.push({ name, file: loadRdb(name) });
  for (const version of [20800, 50000, 70000, 80000]) {
    const file = randomDump(random, targetFormat('redis', version), 30);
    inputs.push({ name: `random ${version}`, file });
    inputs.push({ name: 'string forms', file: randomStringForms(random, 20) });
  }
  let ends = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { name, file } = random.pick(inputs);
    const { bytes, what } = mutate(file, random, random.between(1, 3));
    // Without its checksum, or nothing behind the scanner would ever see the damage.
    if (bytes.length > 9) bytes.fill(0, bytes.length - 8);
    const options = { batchBytes: random.pick([64, 4096, 1 << 20]) };
    const ours = transcodeDump('kernel', bytes, options);
    const theirs = transcodeDump('typescript', bytes, options);
    assert.deepEqual(ours, theirs, `round ${round}: ${name}, ${what}`);
    if (ours.error === null) ends++;
  }
  assert.ok(ends > 0, 'every damage was noticed: the fuzz reaches nothing behind the scanner');
});
