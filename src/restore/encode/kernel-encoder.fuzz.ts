import { test } from 'node:test';
import { mutate } from '../../../test/support/mutate.ts';
import { randomLine } from '../../../test/support/random-lines.ts';
import {
  EncoderPair,
  encoderOptions,
  TARGET_FORMATS,
} from '../../../test/support/same-encoding.ts';
import { SeededRandom } from '../../../test/support/seeded-random.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20261122);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 25);
const LINES = 12;

/** One pair for each target and each policy in turn. */
const PAIRS = TARGET_FORMATS.map((format, i) => {
  const policy = (['absolute', 'remaining', 'persist'] as const)[i % 3];
  const options = encoderOptions(format, {
    setPxat: i % 4 !== 0,
    restoreOptions: i % 5 !== 0,
    allowInexact: i % 2 === 0,
    ttl: { policy, startedAtMs: 5000, snapshotAtMs: 500 },
  });
  return { pair: new EncoderPair(options), what: `RDB ${format.rdbVersion}, ${policy}` };
});

test(`kernel and TypeScript encode random lines to the same bytes, seed ${SEED}`, () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < ROUNDS; round++) {
    const lines = Array.from({ length: LINES }, () => randomLine(random));
    // One by one too: a line that is refused would hide those behind it.
    for (const line of lines) {
      for (const { pair, what } of PAIRS) pair.assertSame(Buffer.from(line), `${what}: ${line}`);
    }
    const all = Buffer.from(lines.join(''));
    const { pair, what } = random.pick(PAIRS);
    pair.assertSame(all, `round ${round}: ${what}`);
  }
});

test(`kernel and TypeScript give damaged lines the same bytes or words, seed ${SEED}`, () => {
  const random = new SeededRandom(SEED + 1);
  for (let round = 0; round < ROUNDS * 60; round++) {
    const { pair, what } = random.pick(PAIRS);
    const line = Buffer.from(randomLine(random));
    const { bytes, what: damage } = mutate(line, random, random.between(1, 3));
    pair.assertSame(bytes, `${what}: ${damage}: ${bytes.toString('latin1')}`);
  }
});
