import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mutate } from '../../test/support/mutate.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { loadPsync, psyncNames } from '../../test/support/truth.ts';
import { splitsOf } from '../../test/support/splits.ts';
import { isCoded } from '../base/index.ts';
import { CommandReader } from './command-reader.ts';
import { commandFacts } from './command-table.ts';
import { keyPositions } from './key-positions.ts';
import { StreamScanner } from './stream-scanner.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20261122);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 4000);
const ALPHABET = Buffer.from('*$\r\n0129SELECTMULTI');

type Outcome = {
  readonly commands: number;
  readonly marks: number;
  readonly unknown: number;
  readonly end: number;
  readonly database: number;
  readonly inTransaction: boolean;
  /** Null: the bytes are a stream. */
  readonly corruptAt: number | null;
};

function scan(bytes: Buffer, cuts: readonly number[]): Outcome {
  const scanner = new StreamScanner({ offset: 0, database: 0 });
  let marks = 0;
  let unknown = 0;
  scanner.onNotable = ({ kind, name }) => {
    // What relays carry is counted by one side only.
    if (kind === 'mark') marks++;
    if (kind === 'unknown' && name !== 'RREPLAY') unknown++;
  };
  const corruptAt = pushed(bytes, cuts, (from, to) => scanner.push(bytes, from, to));
  const { boundary, boundaryDatabase, inTransaction, total } = scanner;
  const database = boundaryDatabase;
  return { commands: total, marks, unknown, end: boundary, database, inTransaction, corruptAt };
}

function read(bytes: Buffer, cuts: readonly number[]): Outcome {
  const reader = new CommandReader({ offset: 0, database: 0 });
  let commands = 0;
  let marks = 0;
  let unknown = 0;
  const corruptAt = pushed(bytes, cuts, (from, to) => {
    reader.push(bytes, from, to, (command) => {
      commands++;
      const facts = commandFacts(command.name);
      if (facts === undefined) unknown++;
      else if (facts.mark !== null) marks++;
      const keys = keyPositions(command);
      if (typeof keys === 'string') return;
      for (const { index } of keys) assert.ok(index > 0 && index < command.argc, command.name);
    });
  });
  const { database, inTransaction, offset: end } = reader;
  return { commands, marks, unknown, end, database, inTransaction, corruptAt };
}

function pushed(
  bytes: Buffer,
  cuts: readonly number[],
  push: (from: number, to: number) => void,
): number | null {
  let from = 0;
  try {
    for (const to of [...cuts, bytes.length]) {
      push(from, to);
      from = to;
    }
    return null;
  } catch (error) {
    if (!isCoded(error, 'STREAM_CORRUPT')) throw error;
    assert.ok(error.offset !== undefined && error.offset <= bytes.length);
    return error.offset;
  }
}

const STREAMS = psyncNames().map((name) => {
  const { bytes, layout, streamCommands } = loadPsync(name);
  return { name, bytes: bytes.subarray(layout.stream[0], layout.stream[1]), streamCommands };
});

test('StreamScanner and CommandReader read every recorded stream, cut anywhere', () => {
  for (const { name, bytes, streamCommands } of STREAMS) {
    const whole = scan(bytes, []);
    assert.equal(whole.commands, streamCommands, name);
    assert.equal(whole.end, bytes.length, name);
    assert.equal(whole.unknown, 0, name);
    for (const cuts of splitsOf(bytes.length, 6)) {
      assert.deepEqual(scan(bytes, cuts), whole, name);
      assert.deepEqual(read(bytes, cuts), whole, name);
    }
  }
});

test(`StreamScanner and CommandReader agree on damaged streams, seed ${SEED}`, () => {
  const random = new SeededRandom(SEED);
  let corrupt = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { name, bytes } = random.pick(STREAMS);
    const from = random.below(bytes.length);
    const first = bytes.indexOf('*', from);
    const piece = bytes.subarray(Math.max(first, 0), first + random.between(20, 2000));
    const damaged = mutate(piece, random, random.between(0, 2)).bytes;
    for (let i = random.below(3); i > 0 && damaged.length > 0; i--) {
      damaged[random.below(damaged.length)] = random.pick([...ALPHABET]);
    }
    const where = `round ${round}: ${name} from ${first}`;
    const whole = scan(damaged, []);
    if (whole.corruptAt !== null) corrupt++;
    const [, byByte, ...others] = splitsOf(Math.max(damaged.length, 1), 2, round);
    assert.deepEqual(read(damaged, []), whole, where);
    for (const cuts of round % 20 === 0 ? [byByte, ...others] : others) {
      assert.deepEqual(scan(damaged, cuts), whole, where);
      assert.deepEqual(read(damaged, cuts), whole, where);
    }
  }
  assert.ok(corrupt > ROUNDS / 10 && corrupt < ROUNDS, `${corrupt} of ${ROUNDS} are corrupt`);
});
