import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeDump, rewriteLines } from '../../test/fidelity/dump-lines.ts';
import { PLACES, writeLines } from '../../test/fidelity/read-back.ts';
import { mutate } from '../../test/support/mutate.ts';
import { relics } from '../../test/support/relic-builder.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { loadRdb } from '../../test/support/truth.ts';
import { ValueCollector } from '../../test/support/value-collector.ts';
import { CodedError } from '../base/index.ts';
import { JsonLineReader } from './json-reader.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20261122);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 3000);
const FORMAT = { version: 11, dialect: 'redis' } as const;

/** Pieces of lines that a reader looks for. */
const WORDS = [
  '"',
  '\\',
  '\\u',
  '\\ud800',
  ',',
  ':',
  '{',
  '}',
  '[',
  ']',
  '\n',
  'null',
  '-',
  '1e999',
  '0x1',
  '"base64:',
  '"text:',
  '"more":true',
  ',"part":1',
  ',"elementMore":true',
  ',"entryMore":3',
  '"fieldExpireAt":{',
  '"groups":5',
  '"groups":[null]',
  '"pending":[{}]',
  '99999999999999999999',
];

test(`damaged lines end in values or JSONL_INVALID, seed ${SEED}`, () => {
  const random = new SeededRandom(SEED);
  const inputs = [
    ...relics().map(({ file }) => decodeDump(file).lines),
    decodeDump(loadRdb('redis-8.6.3.lru')).lines,
    decodeDump(loadRdb('valkey-9.1.2.lfu')).lines,
    ...Object.values(PLACES).map((build) => cutTexts(writeLines(build('t'.repeat(2 << 20))))),
  ].filter(({ length }) => length > 0);
  let ends = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const input = random.pick(inputs);
    const { bytes, what } = random.chance(0.5)
      ? insertWord(input, random)
      : mutate(input, random, random.between(1, 3));
    try {
      rewriteLines(bytes, FORMAT);
      const reader = new JsonLineReader();
      const collector = new ValueCollector();
      reader.open(bytes, 0, bytes.length);
      while (reader.next()) {
        if (random.chance(0.1) && !reader.header.more && reader.header.part === 0)
          reader.skipValue();
        else reader.readValue(collector);
      }
      ends++;
    } catch (error) {
      const fine = error instanceof CodedError && error.code === 'JSONL_INVALID';
      const duplicate = (error as Error).message.startsWith('The same member twice');
      assert.ok(fine || duplicate, `round ${round}: ${what}: ${(error as Error).stack}`);
    }
  }
  assert.ok(ends > 0);
});

/** The lines of a long text with its pieces made short: the reader does not measure them. */
function cutTexts(lines: Buffer): Buffer {
  return Buffer.from(lines.toString('latin1').replaceAll(/t{100,}/g, 'ttt'), 'latin1');
}

function insertWord(input: Buffer, random: SeededRandom): { bytes: Buffer; what: string } {
  const at = random.below(input.length);
  const word = random.pick(WORDS);
  const skipped = random.pick([0, 0, 1, word.length]);
  const rest = input.subarray(Math.min(input.length, at + skipped));
  const bytes = Buffer.concat([input.subarray(0, at), Buffer.from(word), rest]);
  return {
    bytes,
    what: `${word} at byte ${at} over ${skipped}: ${bytes.toString('latin1').slice(Math.max(0, at - 80), at + 80)}`,
  };
}
