import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { len, raw, rdbFile, slowCrc64, str } from '../../test/support/relic-builder.ts';
import { splitsOf } from '../../test/support/splits.ts';
import { type ErrorCode, isCoded } from '../base/index.ts';
import { RdbScanner } from './scanner.ts';

/** Two databases, side records of every kind, an expiry, a long value. */
const SIDE_FILE = rdbFile(
  12,
  ['fa', str('redis-ver'), str('7.4.1'), 'fa', str('redis-bits'), 'c040'],
  ['f5', str('#!lua name=one'), 'f5', str(`#!lua name=two ${'x'.repeat(300)}`)],
  [
    'f7 81 bde72da2bb1eb400 02 02 01 | 02 05',
    str('module text'),
    '01 81ffffffffffffffff 04',
    Buffer.alloc(8),
    '00',
  ],
  ['fe 00 fb 02 01 f4 05 01 00', 'fc 00d8c32cbb030000 00', str('a'), str('1')],
  ['fa', str('between'), str('keys'), 'f9 07 00', str('b'), str('y'.repeat(500))],
  [
    'fe 09',
    'f8',
    len(70000),
    'fd 00c32c3b',
    2,
    str('s'),
    '02',
    str('m'),
    'c3 09 4064 016161 e05700 016161',
  ],
);

type Seen = {
  readonly calls: string[];
  readonly boundaries: Set<number>;
  readonly scanner: RdbScanner;
};

function scanIn(file: Buffer, cuts: readonly number[]): Seen {
  const calls: string[] = [];
  const scanner = new RdbScanner({
    aux: (name, value) => calls.push(`aux ${name} ${value.toString()}`),
    functionLibrary: (source) => calls.push(`function ${source.toString()}`),
    moduleAux: (record) => calls.push(`module ${record.toString('hex')}`),
    hashTemplate: (record) => calls.push(`template ${record.toString('hex')}`),
  });
  const boundaries = new Set<number>();
  let pos = 0;
  for (const end of [...cuts, file.length]) {
    pos = scanner.scan(file, pos, end);
    assert.ok(pos <= end);
    assert.equal(scanner.offset, pos);
    assert.ok(scanner.boundaryOffset <= pos);
    boundaries.add(scanner.boundaryOffset);
  }
  return { calls, boundaries, scanner };
}

function failsAt(file: Buffer, code: ErrorCode, offset?: number): void {
  for (const cuts of splitsOf(file.length, 2)) {
    assert.throws(
      () => scanIn(file, cuts).scanner.finish(),
      (error) => {
        assert.ok(isCoded(error, code), String(error));
        if (offset !== undefined) assert.equal(error.offset, offset, error.message);
        return true;
      },
    );
  }
}

describe('RdbScanner', () => {
  test('gives every side record once, however the file is cut', () => {
    const whole = scanIn(SIDE_FILE, []);
    assert.equal(whole.calls.length, 6);
    assert.equal(whole.calls[0], 'aux redis-ver 7.4.1');
    assert.equal(whole.calls[1], 'aux redis-bits 64');
    assert.match(whole.calls[4] ?? '', /^module f781bde72da2bb1eb4000202010205/);
    assert.equal(whole.calls[5], 'aux between keys');
    for (let cut = 1; cut < SIDE_FILE.length; cut++) {
      assert.deepEqual(scanIn(SIDE_FILE, [cut]).calls, whole.calls, `cut at ${cut}`);
    }
    for (const cuts of splitsOf(SIDE_FILE.length, 20)) {
      const { calls, scanner } = scanIn(SIDE_FILE, cuts);
      assert.deepEqual(calls, whole.calls);
      assert.ok(scanner.done && scanner.checksumVerified);
      assert.deepEqual([scanner.keys, scanner.boundaryKeys, scanner.boundaryDb], [3, 3, 9]);
      assert.equal(scanner.offset, SIDE_FILE.length);
      assert.equal(scanner.boundaryOffset, SIDE_FILE.length - 9);
    }
  });

  test('names no cut between an expiry and the value of its key', () => {
    const { boundaries } = scanIn(SIDE_FILE, splitsOf(SIDE_FILE.length, 0)[1] ?? []);
    const expiry = SIDE_FILE.indexOf(Buffer.from('fc00d8c32cbb030000', 'hex'));
    const keyBytes = 9 + 1 + 2 + 2;
    const inside = [...boundaries].filter((at) => at > expiry && at < expiry + keyBytes);
    assert.deepEqual(inside, []);
    assert.ok(boundaries.has(expiry) && boundaries.has(expiry + keyBytes));
  });

  test('leaves what follows the end', () => {
    const more = Buffer.concat([SIDE_FILE, Buffer.from('REDIS0012')]);
    for (const cuts of splitsOf(more.length, 5)) {
      const { scanner } = scanIn(more, cuts);
      assert.equal(scanner.offset, SIDE_FILE.length);
      scanner.finish();
    }
  });

  test('accepts a checksum of zero without calling it verified', () => {
    const file = Buffer.from(SIDE_FILE);
    file.fill(0, file.length - 8);
    const { scanner } = scanIn(file, []);
    assert.ok(scanner.done && !scanner.checksumVerified);
  });

  test('refuses every flipped bit of the checksum', () => {
    for (let bit = 0; bit < 64; bit++) {
      const file = Buffer.from(SIDE_FILE);
      const at = file.length - 8 + (bit >> 3);
      file[at] = (file[at] ?? 0) ^ (1 << (bit & 7));
      assert.throws(
        () => scanIn(file, []),
        (error) => isCoded(error, 'RDB_CHECKSUM'),
      );
    }
  });

  test('needs no checksum before version 5', () => {
    const { scanner } = scanIn(rdbFile(3, 'fe 00', 0, str('k'), str('v')), []);
    assert.ok(scanner.done && !scanner.checksumVerified);
  });

  test('refuses unknown opcodes and types, each with its offset', () => {
    for (const opcode of ['f2', 'f3']) {
      // Of Valkey: an inline command is refused, a slot import is known.
      const file = rdbFile('valkey80', opcode, str('job'), '00');
      if (opcode === 'f2') failsAt(file, 'RDB_UNSUPPORTED', 9);
      else scanIn(file, []).scanner.finish();
    }
    failsAt(rdbFile(10, 'f6 00'), 'RDB_UNSUPPORTED', 9);
    for (const type of [6, 8, 33, 99, 101, 121, 241]) {
      failsAt(rdbFile(12, 'fe 00', type, str('key'), '00'), 'RDB_UNSUPPORTED');
    }
    failsAt(rdbFile('valkey80', 'fe 00', 24, str('key'), '00'), 'RDB_UNSUPPORTED');
  });

  test('refuses what is no RDB, and versions that it does not know', () => {
    failsAt(Buffer.from('*1\r\n$4\r\nPING\r\n'), 'RDB_CORRUPT', 0);
    for (const magic of ['REDIS0000', 'REDIS0016', 'REDIS0080', 'VALKEY011', 'VALKEY081']) {
      failsAt(Buffer.from(`${magic}\xff`, 'latin1'), 'RDB_UNSUPPORTED', 0);
    }
    for (const magic of ['REDIS 011', 'REDIS+011', 'VALKEY8.0', 'redis0011']) {
      failsAt(Buffer.from(`${magic}\xff`, 'latin1'), 'RDB_CORRUPT', 0);
    }
  });

  test('refuses an end, or another database, between an expiry and its key', () => {
    failsAt(rdbFile(11, 'fe 00 fc 00d8c32cbb030000'), 'RDB_CORRUPT', 20);
    failsAt(rdbFile(11, 'fc 00d8c32cbb030000 fe 01', 0, str('k'), str('v')), 'RDB_CORRUPT');
  });

  test('refuses a database number that no server has', () => {
    failsAt(rdbFile(11, 'fe 80 ffffffff'), 'RDB_CORRUPT', 10);
    failsAt(rdbFile(11, 'fe c0 01'), 'RDB_CORRUPT', 10);
  });

  test('is truncated at every earlier end', () => {
    for (let size = 0; size < SIDE_FILE.length; size++) {
      const { scanner } = scanIn(SIDE_FILE.subarray(0, size), []);
      assert.throws(
        () => scanner.finish(),
        (error) => isCoded(error, 'RDB_TRUNCATED'),
      );
    }
  });

  test('counts the member expiries of KeyDB, which nothing else can hold', () => {
    const key = ['fe 00', 2, str('s'), '01', str('m')];
    const aux = (name: string) => raw('fa', str(name), str('m'));
    const file = rdbFile(9, ...key, aux('keydb-subexpire-key'), aux('keydb-subexpire-when'));
    assert.equal(scanIn(file, []).scanner.subexpiries, 1);
  });

  test('checks the sum over the first to the last byte', () => {
    const body = SIDE_FILE.subarray(0, SIDE_FILE.length - 8);
    assert.ok(slowCrc64(body).equals(SIDE_FILE.subarray(SIDE_FILE.length - 8)));
  });
});
