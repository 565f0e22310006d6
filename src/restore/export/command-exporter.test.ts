import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ValueCollector } from '../../../test/support/value-collector.ts';
import { decodePayload, targetFormat } from '../../rdb/index.ts';
import { CommandExporter } from './command-exporter.ts';
import type { ExportedBlock, ExportOptions } from './exported-block.ts';

const NOW = 1000;

const NEW: ExportOptions = {
  way: 'resp',
  format: targetFormat('redis', 80000),
  setPxat: true,
  restoreOptions: true,
  modules: null,
  selection: {},
  ttl: { policy: 'absolute', startedAtMs: NOW, snapshotAtMs: 500 },
  allowInexact: false,
  words: { remove: 'UNLINK', setFields: 'HSET', replace: true },
  conflict: 'overwrite',
  commands: false,
  task: 'f00d',
};
/** As of Redis 2.8. */
const OLD: ExportOptions = {
  ...NEW,
  format: targetFormat('redis', 20800),
  setPxat: false,
  restoreOptions: false,
  words: { remove: 'DEL', setFields: 'HMSET', replace: false },
};

function run(options: ExportOptions, ...lines: string[]): ExportedBlock {
  const text = lines.map((line) => `${line}\n`).join('');
  return new CommandExporter(options).export(Buffer.from(text), NOW);
}

/** The commands, their parts read by hand; a payload by what it holds. */
function commandsOf({ bytes }: ExportedBlock): unknown[][] {
  const text = Buffer.from(bytes).toString('latin1');
  const found: unknown[][] = [];
  let at = 0;
  const number = (mark: string): number => {
    assert.equal(text[at], mark);
    const end = text.indexOf('\r\n', at);
    const value = Number(text.slice(at + 1, end));
    at = end + 2;
    return value;
  };
  while (at < text.length) {
    const parts: unknown[] = [];
    for (let left = number('*'); left > 0; left--) {
      const size = number('$');
      parts.push(text.slice(at, at + size));
      at += size + 2;
      if (parts[0] === 'RESTORE' && parts.length === 4) parts[3] = valueOf(parts[3] as string);
    }
    found.push(parts);
  }
  return found;
}

function valueOf(payload: string): unknown {
  const collector = new ValueCollector();
  decodePayload(Buffer.from(payload, 'latin1'), collector);
  const { value } = collector;
  return value?.kind === 'list' ? value.items : value?.kind;
}

const commands = (options: ExportOptions, line: string): unknown[][] =>
  commandsOf(run(options, line));

const STRING = '{"db":0,"key":"k","type":"string","value":"v"}';
const DYING = '{"db":0,"key":"k","type":"string","expireAt":5000,"value":"v"}';
const USED = '{"db":0,"key":"k","type":"string","frequency":7,"value":"v"}';
const LIST = '{"db":0,"key":"k","type":"list","value":["a","b"]}';
const DYING_LIST = '{"db":0,"key":"k","type":"list","expireAt":5000,"value":["a","b"]}';
const FIELDS =
  '{"db":0,"key":"k","type":"hash","fieldExpireAt":{"a":2000,"c":900},"value":{"a":"1","b":"2","c":"3"}}';
const ZSET = '{"db":0,"key":"k","type":"zset","value":{"a":"inf","b":-0.0,"c":0.1}}';
const STAGED = '{k}_export_f00d_building';

describe('CommandExporter', () => {
  test('sets strings and restores the rest, over what is there', () => {
    assert.deepEqual(commands(NEW, STRING), [['SET', 'k', 'v']]);
    assert.deepEqual(commands(NEW, DYING), [['SET', 'k', 'v', 'PXAT', '5000']]);
    assert.deepEqual(commands(NEW, LIST), [['RESTORE', 'k', '0', ['a', 'b'], 'REPLACE']]);
    assert.deepEqual(commands(NEW, DYING_LIST), [
      ['RESTORE', 'k', '5000', ['a', 'b'], 'REPLACE', 'ABSTTL'],
    ]);
    assert.deepEqual(commands(NEW, USED), [
      ['RESTORE', 'k', '0', 'string', 'REPLACE', 'FREQ', '7'],
    ]);
  });

  test('leaves what is there alone under skip', () => {
    const skip = { ...NEW, conflict: 'skip' } as const;
    assert.deepEqual(commands(skip, STRING), [['SET', 'k', 'v', 'NX']]);
    assert.deepEqual(commands(skip, DYING), [['SET', 'k', 'v', 'PXAT', '5000', 'NX']]);
    assert.deepEqual(commands(skip, LIST), [['RESTORE', 'k', '0', ['a', 'b']]]);
  });

  test('gives an old server the expiry by itself, and never one to a key of its own', () => {
    assert.deepEqual(commands(OLD, DYING), [
      ['SET', 'k', 'v'],
      ['PEXPIREAT', 'k', '5000'],
    ]);
    assert.deepEqual(commands(OLD, DYING_LIST), [
      ['DEL', 'k'],
      ['RESTORE', 'k', '0', ['a', 'b']],
      ['PEXPIREAT', 'k', '5000'],
    ]);
    const skip = { ...OLD, conflict: 'skip' } as const;
    assert.deepEqual(commands(skip, LIST), [['RESTORE', 'k', '0', ['a', 'b']]]);
    assert.deepEqual(commands(skip, DYING_LIST), [
      ['DEL', STAGED],
      ['RESTORE', STAGED, '0', ['a', 'b']],
      ['PEXPIREAT', STAGED, '5000'],
      ['RENAMENX', STAGED, 'k'],
      ['DEL', STAGED],
    ]);
    assert.deepEqual(commands(skip, DYING)[1], ['SET', STAGED, 'v']);
  });

  test('writes commands that people read', () => {
    const plain = { ...NEW, commands: true };
    assert.deepEqual(commands(plain, USED), [['SET', 'k', 'v']]);
    assert.deepEqual(commands(plain, DYING_LIST), [
      ['UNLINK', 'k'],
      ['RPUSH', 'k', 'a', 'b'],
      ['PEXPIREAT', 'k', '5000'],
    ]);
    assert.deepEqual(commands(plain, ZSET), [
      ['UNLINK', 'k'],
      ['ZADD', 'k', 'inf', 'a', '-0.0', 'b', '0.1', 'c'],
    ]);
    assert.deepEqual(commands(plain, FIELDS), [
      ['UNLINK', 'k'],
      ['HSET', 'k', 'a', '1'],
      ['HPEXPIREAT', 'k', '2000', 'FIELDS', '1', 'a'],
      ['HSET', 'k', 'b', '2'],
    ]);
    assert.deepEqual(commands({ ...plain, conflict: 'skip' }, LIST), [
      ['UNLINK', STAGED],
      ['RPUSH', STAGED, 'a', 'b'],
      ['RENAMENX', STAGED, 'k'],
      ['UNLINK', STAGED],
    ]);
    const hash = '{"db":0,"key":"k","type":"hash","value":{"a":"1","b":"2"}}';
    assert.deepEqual(commands({ ...OLD, commands: true }, hash)[1], [
      'HMSET',
      'k',
      'a',
      '1',
      'b',
      '2',
    ]);
  });

  test('takes back what it wrote of a key that cannot be held', () => {
    const old = { ...OLD, commands: true };
    const exported = run(old, LIST, FIELDS, STRING);
    assert.deepEqual(exported.problems, [{ key: 'k', code: 'failed', reason: 'field-expiry' }]);
    assert.deepEqual(
      commandsOf(exported).map(([name]) => name),
      ['DEL', 'RPUSH', 'SET'],
    );
    const { selected, written, failed, inexact } = exported.counts;
    assert.deepEqual([selected, written, failed, inexact], [3, 2, 1, 0]);
    const allowed = run({ ...old, allowInexact: true }, FIELDS);
    assert.equal(allowed.counts.inexact, 1);
    assert.equal(commandsOf(allowed).length, 2);
  });

  test('leaves out what is not selected and what has expired', () => {
    const selection = { types: ['list', 'hash'] as const };
    const gone = DYING_LIST.replace('5000', '1000');
    const all = FIELDS.replace('"a":2000,"c":900', '"a":900,"b":1000,"c":5');
    for (const plain of [false, true]) {
      const options = { ...NEW, selection, commands: plain };
      const { counts, bytes } = run(options, STRING, gone, all);
      assert.deepEqual([counts.selected, counts.expired, counts.written], [2, 2, 0]);
      assert.equal(bytes.length, 0);
    }
  });

  test('cuts long values into commands of bounded size', () => {
    const items = Array.from({ length: 1200 }, (_, i) => `"${i}"`).join(',');
    const line = `{"db":0,"key":"k","type":"list","value":[${items}]}`;
    const found = commands({ ...NEW, commands: true }, line);
    assert.deepEqual(
      found.map((parts) => parts.length),
      [2, 514, 514, 178],
    );
    const pairs = Array.from({ length: 600 }, (_, i) => `"f${i}":"${i}"`).join(',');
    const hash = `{"db":0,"key":"k","type":"hash","value":{${pairs}}}`;
    const [, ...sets] = commands({ ...NEW, commands: true }, hash);
    assert.deepEqual(
      sets.map((parts) => parts.length % 2),
      sets.map(() => 0),
      'a field without its value',
    );
  });
});
