import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { relics } from '../support/relic-builder.ts';
import { EncoderPair, encoderOptions, TARGET_FORMATS } from '../support/same-encoding.ts';
import { loadRdb, truthNames } from '../support/truth.ts';
import { decodeDump } from './dump-lines.ts';

/** A pair for each target; the policy and what the target can hear change from one to the next. */
const PAIRS = TARGET_FORMATS.map((format, i) => {
  const policy = (['absolute', 'persist', 'remaining'] as const)[i % 3];
  const ttl = { policy, startedAtMs: 1_900_000_000_000, snapshotAtMs: 1_700_000_000_000 };
  const options = encoderOptions(format, {
    ttl,
    setPxat: i % 2 === 0,
    restoreOptions: i % 4 !== 0,
    allowInexact: i % 3 === 0,
  });
  return { pair: new EncoderPair(options), name: `${format.dialect} ${format.rdbVersion}` };
});

/** The lines of each database: a block has only one. */
function blocksOf(lines: Buffer): Buffer[] {
  const byDatabase = new Map<string, Buffer[]>();
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf(0x0a, at) + 1;
    const db = lines.toString('latin1', at, lines.indexOf(0x2c, at));
    const block = byDatabase.get(db) ?? [];
    byDatabase.set(db, block);
    block.push(lines.subarray(at, end));
    at = end;
  }
  return [...byDatabase.values()].map((block) => Buffer.concat(block));
}

/** Every fixture for `each` of the targets in turn, so that all meet all kinds of data. */
function assertSameEverywhere(lines: Buffer, first: number, each: number): void {
  for (const block of blocksOf(lines)) {
    for (let i = first % each; i < PAIRS.length; i += each) {
      const { pair, name } = PAIRS[i];
      pair.assertSame(block, `for ${name}`);
    }
  }
}

describe('the kernel of the restore encodes as TypeScript does', () => {
  const names = truthNames();
  test('fixtures are there', () => assert.ok(names.length >= 68));

  for (const [i, name] of names.entries()) {
    test(name, () => assertSameEverywhere(decodeDump(loadRdb(name)).lines, i, 4));
  }

  test('every relic', () => {
    for (const { file } of relics()) assertSameEverywhere(decodeDump(file).lines, 0, 1);
  });
});
