import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import { loadRdb } from '../../../test/support/truth.ts';
import { type AofScan, AofScanner } from './aof-scan.ts';

const command = (...words: string[]): Buffer => Buffer.from(encodeCommand(words));
const ts = (seconds: number): Buffer => Buffer.from(`#TS:${seconds}\r\n`);

const SELECT = command('SELECT', '3');
/** Has what looks like an annotation, in the middle and at the end. */
const TRAP = command('SET', 'k', 'a\n#TS:9999999999\r\n*1\r\n#');
const MULTI = Buffer.concat([command('MULTI'), command('INCR', 'n'), command('EXEC')]);

function scan(bytes: Buffer, step = bytes.length || 1, until: number | null = null): AofScan {
  const scanner = new AofScanner('a.aof', until);
  for (let at = 0; at < bytes.length; at += step) {
    if (!scanner.push(bytes.subarray(at, at + step))) break;
  }
  return scanner.finish();
}

/** The same whole, byte by byte, and in between. */
function scanAll(bytes: Buffer, until: number | null = null): AofScan {
  const whole = scan(bytes, bytes.length || 1, until);
  for (const step of [1, 2, 7, 64]) assert.deepEqual(scan(bytes, step, until), whole);
  return whole;
}

const corrupt =
  (message: RegExp, offset: number) =>
  (error: unknown): boolean =>
    isCoded(error, 'AOF_CORRUPT') && message.test(error.message) && error.offset === offset;

describe('AofScanner', () => {
  test('tells commands and annotations from what lies within values', () => {
    const bytes = Buffer.concat([ts(5), SELECT, TRAP, ts(7), Buffer.from('#other\r\n'), MULTI]);
    const found = scanAll(bytes);
    assert.deepEqual(found.timestamps, { first: 5, last: 7 });
    assert.equal(found.commands, 2);
    assert.equal(found.torn, null);
    assert.equal(found.wholeBytes, bytes.length);
    assert.equal(found.rdb, null);
  });

  test('finds the RDB at the beginning and what follows it', () => {
    const rdb = loadRdb('redis-7.0.15.lru');
    const found = scan(Buffer.concat([rdb, SELECT, TRAP]));
    assert.equal(found.rdb?.bytes, rdb.length);
    assert.equal(found.rdb?.aux.get('redis-ver'), '7.0.15');
    assert.equal(found.commands, 1);
    assert.equal(found.wholeBytes, rdb.length + SELECT.length + TRAP.length);
    assert.throws(() => scan(rdb.subarray(0, 400)), corrupt(/within the RDB/, 400));
    const damaged = Buffer.from(rdb);
    damaged[rdb.length - 3] ^= 1;
    assert.throws(
      () => scan(damaged),
      (error) => isCoded(error, 'AOF_CORRUPT'),
    );
  });

  test('finds a torn end at every byte, and cuts outside MULTI', () => {
    const bytes = Buffer.concat([SELECT, ts(5), TRAP, ts(6), MULTI, TRAP]);
    const first = SELECT.length;
    const second = first + ts(5).length + TRAP.length;
    const third = second + ts(6).length;
    const fourth = third + MULTI.length;
    const cuts = [0, first, first + ts(5).length, second, third, fourth, bytes.length];
    for (let length = 0; length <= bytes.length; length++) {
      const found = scan(bytes.subarray(0, length), 16);
      const expected = cuts.findLast((cut) => cut <= length);
      assert.equal(found.wholeBytes, expected, `of ${length} bytes`);
      assert.equal(found.torn === null, expected === length, `of ${length} bytes`);
    }
    const inMulti = scan(bytes.subarray(0, third + command('MULTI').length));
    assert.equal(inMulti.torn, 'transaction');
  });

  test('stops before the first annotation that is later than asked for', () => {
    const before = Buffer.concat([ts(5), SELECT, ts(6), TRAP]);
    const bytes = Buffer.concat([before, ts(8), TRAP, ts(9), Buffer.from('garbage')]);
    const found = scanAll(bytes, 7);
    assert.equal(found.isCut, true);
    assert.equal(found.wholeBytes, before.length);
    assert.equal(found.torn, null);
    assert.deepEqual(found.timestamps, { first: 5, last: 6 });
  });

  test('refuses what is no AOF, with the position in the file', () => {
    const bytes = Buffer.concat([ts(5), SELECT, Buffer.from('garbage')]);
    assert.throws(() => scan(bytes), corrupt(/no command/, ts(5).length + SELECT.length));
    assert.throws(() => scan(Buffer.from('REDI')), corrupt(/no AOF/, 0));
    const long = Buffer.concat([SELECT, Buffer.from(`#${'x'.repeat(2000)}`)]);
    assert.throws(() => scan(long), corrupt(/annotation of more/, SELECT.length));
  });

  test('names commands that the command table does not know, and counts scripts', () => {
    const bytes = [command('FT.ADD', 'x'), command('EVAL', 'return 1', '0'), command('ft.add')];
    const found = scanAll(Buffer.concat(bytes));
    assert.deepEqual(found.unknownCommands, ['FT.ADD']);
    assert.equal(found.verbatimScripts, 1);
  });
});
