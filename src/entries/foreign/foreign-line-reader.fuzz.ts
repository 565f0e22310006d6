import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalLines, varyLines } from '../../../test/backup/import-variants.ts';
import { decodeDump } from '../../../test/fidelity/dump-lines.ts';
import { PLACES, writeLines } from '../../../test/fidelity/read-back.ts';
import { mutate } from '../../../test/support/mutate.ts';
import { relics } from '../../../test/support/relic-builder.ts';
import { SeededRandom } from '../../../test/support/seeded-random.ts';
import { diffModels, fromJsonLines, loadRdb } from '../../../test/support/truth.ts';
import { isCoded } from '../../base/index.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20261122);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 3000);

/** Pieces of lines that a reader looks for. */
const WORDS = [
  '"',
  '\\',
  '\\u',
  '\\ud83d\\ude00',
  '\\ud800',
  ',',
  ':',
  '{',
  '}',
  '[',
  ']',
  '\n',
  '\r\n',
  'null',
  'true',
  '-',
  '1e999',
  '0.5',
  '1e3',
  '"inf"',
  '"base64:',
  '"text:',
  ',"more":true',
  ',"part":1',
  ',"part":0,"more":true',
  ',"elementMore":true,"elementBytes":9',
  ',"entryMore":3',
  ',"fieldExpireAt":{"a":1}',
  '"groups":[]',
  '99999999999999999999',
];

function inputs(): Buffer[] {
  return [
    ...relics().map(({ file }) => decodeDump(file).lines),
    decodeDump(loadRdb('redis-8.6.3.lru')).lines,
    decodeDump(loadRdb('valkey-9.1.2.lfu')).lines,
    ...Object.values(PLACES).map((build) => shorten(writeLines(build('t'.repeat(2 << 20))))),
  ].filter(({ length }) => length > 0 && length < 1 << 20);
}

/** The lines of a long text with its pieces made short, and its length with them. */
function shorten(lines: Buffer): Buffer {
  const text = lines.toString('latin1').replaceAll(/t{100,}/g, 'ttt');
  const counted = text.replaceAll(/"(elementBytes|bytes)":\d{7}/g, (said, name) => {
    return `"${name}":${said.endsWith('1048577') ? 4 : 6}`;
  });
  return Buffer.from(counted, 'latin1');
}

test(`lines written in other ways read the same, seed ${SEED}`, () => {
  const random = new SeededRandom(SEED);
  let compared = 0;
  for (const input of inputs()) {
    const varied = varyLines(input, random);
    const again = canonicalLines(varied, random.between(1, varied.length));
    const differences = diffModels(
      fromJsonLines(canonicalLines(input)),
      fromJsonLines(again, { canonical: true }),
    );
    assert.deepEqual(differences.slice(0, 5), []);
    compared++;
  }
  assert.ok(compared > 20, `${compared} inputs`);
});

test(`damaged lines end in entries or JSONL_INVALID, seed ${SEED}`, () => {
  const random = new SeededRandom(SEED);
  const all = inputs().flatMap((input) => splitKeys(input));
  let read = 0;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const keys = Array.from({ length: random.between(1, 3) }, () => random.pick(all));
    const input = Buffer.concat(keys);
    const { bytes, what } = random.chance(0.5)
      ? insertWord(input, random)
      : mutate(input, random, random.between(1, 2));
    try {
      const lines = canonicalLines(bytes, random.between(1, bytes.length + 1));
      checkCanonical(lines);
      read++;
    } catch (error) {
      const message = `seed ${SEED}, round ${round}: ${what}: ${(error as Error).stack}`;
      assert.ok(isCoded(error, 'JSONL_INVALID'), message);
      assert.match(error.message, /^Cannot read (line \d+ of lines: |lines to its end)/);
      assert.ok(error.offset !== undefined && error.offset <= bytes.length, message);
      refused++;
    }
  }
  assert.ok(read > ROUNDS / 50 && refused > ROUNDS / 3, `${read} read, ${refused} refused`);
});

/** An independent reader must take what ours let through. */
function checkCanonical(lines: Buffer): void {
  try {
    fromJsonLines(lines, { canonical: true });
  } catch (error) {
    // The same key may be drawn twice: that is the importer's matter.
    if (/key .*twice|twice.*key|already/i.test((error as Error).message)) return;
    throw error;
  }
}

/** The lines of each key by themselves. */
function splitKeys(lines: Buffer): Buffer[] {
  const keys: string[] = [];
  for (const line of lines.toString('latin1').split('\n')) {
    if (line === '') continue;
    if (/,"part":[1-9]/.test(line)) keys[keys.length - 1] += `${line}\n`;
    else keys.push(`${line}\n`);
  }
  return keys.map((key) => Buffer.from(key, 'latin1')).filter(({ length }) => length < 20_000);
}

function insertWord(input: Buffer, random: SeededRandom): { bytes: Buffer; what: string } {
  const at = random.below(input.length);
  const word = random.pick(WORDS);
  const skipped = random.pick([0, 0, 1, word.length]);
  const rest = input.subarray(Math.min(input.length, at + skipped));
  return {
    bytes: Buffer.concat([input.subarray(0, at), Buffer.from(word), rest]),
    what: `${word} at byte ${at} over ${skipped}`,
  };
}
