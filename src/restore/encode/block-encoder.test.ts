import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodePayload, targetFormat } from '../../rdb/index.ts';
import { ValueCollector } from '../../../test/support/value-collector.ts';
import { BlockEncoder } from './block-encoder.ts';
import { digestOfPayload, digestOfWanted, parseCommand } from '../command-parts.ts';
import type { EncodedBlock, EncoderOptions } from './encoded-block.ts';

const NEW: EncoderOptions = {
  format: targetFormat('redis', 80000),
  setPxat: true,
  restoreOptions: true,
  modules: null,
  selection: {},
  ttl: { policy: 'absolute', startedAtMs: 1000, snapshotAtMs: 500 },
  allowInexact: false,
};
/** Knows neither PXAT nor ABSTTL, nor streams. */
const OLD: EncoderOptions = {
  ...NEW,
  format: targetFormat('redis', 40000),
  setPxat: false,
  restoreOptions: false,
  modules: [],
};

function encode(options: EncoderOptions, ...lines: string[]): EncodedBlock {
  return new BlockEncoder(options).encode(
    Buffer.from(lines.map((line) => `${line}\n`).join('')),
    1000,
  );
}

function commandsOf({ commands, ends, count }: EncodedBlock): Buffer[] {
  const starts = [0, ...ends];
  return Array.from({ length: count }, (_, i) =>
    Buffer.from(commands.subarray(starts[i], ends[i])),
  );
}

/** The parts of a command, read by hand. */
function parts(command: Buffer): string[] {
  const text = command.toString('latin1');
  const found: string[] = [];
  let at = text.indexOf('\n') + 1;
  while (at < text.length) {
    const end = text.indexOf('\r', at);
    const size = Number(text.slice(at + 1, end));
    found.push(text.slice(end + 2, end + 2 + size));
    at = end + size + 4;
  }
  assert.equal(text.slice(0, text.indexOf('\r')), `*${found.length}`);
  return found;
}

function one(options: EncoderOptions, line: string): string[] {
  const encoded = encode(options, line);
  assert.equal(encoded.count, 1, JSON.stringify(encoded.problems));
  return parts(commandsOf(encoded)[0]);
}

const STRING = '{"db":0,"key":"k","type":"string","value":"v"}';
const EXPIRING = '{"db":0,"key":"k","type":"string","expireAt":5000,"value":"v"}';
const LIST = '{"db":0,"key":"k","type":"list","expireAt":5000,"value":["a","b"]}';
const USED = '{"db":0,"key":"k","type":"string","frequency":7,"value":"v"}';
const IDLE = '{"db":0,"key":"k","type":"string","expireAt":5000,"idleSeconds":9,"value":"v"}';
const STREAM =
  '{"db":0,"key":"k","type":"stream","value":{"entries":[],"lastId":"1-1","firstId":"0-0",' +
  '"maxDeletedId":"0-0","entriesAdded":"0","groups":[]}}';
const FIELDS =
  '{"db":0,"key":"k","type":"hash","fieldExpireAt":{"a":2000},"value":{"a":"1","b":"2"}}';

describe('BlockEncoder', () => {
  test('sets small strings, without touching what exists', () => {
    assert.deepEqual(one(NEW, STRING), ['SET', 'k', 'v', 'NX']);
    assert.deepEqual(one(NEW, EXPIRING), ['SET', 'k', 'v', 'PXAT', '5000', 'NX']);
    assert.deepEqual(one(OLD, STRING), ['SET', 'k', 'v', 'NX']);
  });

  test('restores everything else, without REPLACE', () => {
    const [name, key, ttl, payload, ...rest] = one(NEW, LIST);
    assert.deepEqual([name, key, ttl, rest], ['RESTORE', 'k', '5000', ['ABSTTL']]);
    const collector = new ValueCollector();
    decodePayload(Buffer.from(payload ?? '', 'latin1'), collector);
    assert.deepEqual(collector.value, { kind: 'list', items: ['a', 'b'] });
  });

  test('gives an old target a time to live instead of an instant', () => {
    assert.deepEqual(one(OLD, LIST).toSpliced(3, 1), ['RESTORE', 'k', '4000']);
    assert.deepEqual(one(OLD, EXPIRING).toSpliced(3, 1), ['RESTORE', 'k', '4000']);
  });

  test('says how a key was used where the target can hear it', () => {
    assert.deepEqual(one(NEW, USED).slice(4), ['FREQ', '7']);
    assert.deepEqual(one(NEW, IDLE).slice(4), ['ABSTTL', 'IDLETIME', '9']);
    assert.equal(one(OLD, USED).length, 4);
  });

  test('leaves out what is not selected and what has expired', () => {
    const selection = { match: [Buffer.from('k*')] };
    const other = STRING.replace('"k"', '"other"');
    const gone = EXPIRING.replace('5000', '1000');
    const encoded = encode({ ...NEW, selection }, STRING, other, gone);
    assert.deepEqual([encoded.count, encoded.selected, encoded.expired], [1, 2, 1]);
  });

  test('does not write a hash all of whose fields have expired', () => {
    const all = FIELDS.replace('{"a":2000}', '{"a":900,"b":1000}');
    const encoded = encode(NEW, all, FIELDS);
    assert.deepEqual([encoded.count, encoded.selected, encoded.expired], [1, 2, 1]);
  });

  test('names keys that cannot be written, and why', () => {
    const encoded = encode(OLD, STREAM, FIELDS, STRING);
    assert.equal(encoded.count, 1);
    assert.deepEqual(encoded.problems, [
      { key: 'k', code: 'failed', reason: 'stream' },
      { key: 'k', code: 'failed', reason: 'field-expiry' },
    ]);
    const allowed = encode({ ...OLD, allowInexact: true }, STREAM, FIELDS);
    assert.deepEqual(
      allowed.problems.map(({ code }) => code),
      ['failed', 'inexact'],
    );
    assert.equal(allowed.count, 1);
  });

  test('grows beyond its first estimate', () => {
    const lines = Array.from({ length: 3000 }, (_, i) => STRING.replace('"k"', `"k${i}"`));
    const encoded = encode(NEW, ...lines);
    assert.equal(encoded.count, 3000);
    const last = commandsOf(encoded).at(-1) as Buffer;
    assert.deepEqual(parts(last), ['SET', 'k2999', 'v', 'NX']);
  });
});

describe('parseCommand', () => {
  const wantedOf = (options: EncoderOptions, line: string) => {
    const { commands, ends } = encode(options, STRING, line);
    return parseCommand(commands, ends[0], ends[1]);
  };

  test('reads a SET back', () => {
    const { key, text, payload, expireAtMs, usage } = wantedOf(NEW, EXPIRING);
    assert.deepEqual([String(key), String(text), payload], ['k', 'v', undefined]);
    assert.deepEqual([expireAtMs, usage], [5000, []]);
    assert.equal(wantedOf(NEW, STRING).expireAtMs, -1);
  });

  test('reads a RESTORE back, with what it says of expiry and use', () => {
    const { text, payload, expireAtMs, usage } = wantedOf(NEW, IDLE);
    assert.ok(payload !== undefined && text === undefined);
    assert.deepEqual([expireAtMs, usage.map(String)], [5000, ['IDLETIME', '9']]);
    const unlimited = wantedOf(NEW, USED);
    assert.deepEqual([unlimited.expireAtMs, unlimited.usage.map(String)], [-1, ['FREQ', '7']]);
    const before = Date.now();
    const relative = wantedOf(OLD, LIST).expireAtMs;
    assert.ok(relative >= before + 4000 && relative <= Date.now() + 4000);
  });

  test('gives the same digest for a string by SET and by RESTORE', () => {
    const { payload } = wantedOf(NEW, USED);
    assert.deepEqual(digestOfWanted(wantedOf(NEW, STRING)), digestOfPayload(payload as Buffer));
  });
});
