import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EncoderPair, encoderOptions } from '../../../test/support/same-encoding.ts';
import { targetFormat } from '../../rdb/index.ts';
import type { EncoderOptions } from './encoded-block.ts';
import { KernelEncoder } from './kernel-encoder.ts';

const NEW = encoderOptions(targetFormat('redis', 80000));
const OLD = encoderOptions(targetFormat('redis', 40000), {
  setPxat: false,
  restoreOptions: false,
});

function line(type: string, value: string, head = ''): string {
  return `{"db":3,"key":"k","type":"${type}"${head},"value":${value}}\n`;
}

function texts(count: number, make: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => make(i)).join();
}

/** Whether the kernel did all of it; equality is asserted beside. */
function isDone(lines: string, options: EncoderOptions = NEW): boolean {
  const bytes = Buffer.from(lines);
  new EncoderPair(options).assertSame(bytes, lines.slice(0, 200));
  const kernel = KernelEncoder.create(options) as KernelEncoder;
  return kernel.open(bytes, 1000) && kernel.run() === 'done';
}

const STREAM =
  '{"entries":[{"id":"1-1","fields":[["f","v"]]},{"id":"2-0","fields":[["f","w"],["g","x"]]}],' +
  '"lastId":"2-0","firstId":"1-1","maxDeletedId":"0-0","entriesAdded":"2","groups":[' +
  '{"name":"g","lastId":"1-1","entriesRead":"1","consumers":[{"name":"c","seenAt":5,"activeAt":6}],' +
  '"pending":[{"id":"1-1","consumer":"c","deliveredAt":7,"deliveries":8}]}]}';

/** What every day brings: none of it may need TypeScript. */
const USUAL: readonly string[] = [
  line('string', '"v"'),
  line('string', '""'),
  line('string', '"v"', ',"expireAt":4102444800000'),
  line('string', '"v"', ',"expireAt":4102444800000,"idleSeconds":5'),
  line('string', '"12"', ',"frequency":255'),
  line('string', '"base64:/wA="').replace('"k"', '"base64:/wA="'),
  line('string', '"text:text:a\\n\\u001f"').replace('"k"', '"text:base64:"'),
  line('string', `"${'x'.repeat(100_000)}\\""`),
  line('list', '["a","1","-129","base64:/w=="]'),
  line('list', `[${texts(3000, (i) => `"item ${i}"`)}]`),
  line('list', `["a","${'x'.repeat(9000)}","b"]`),
  line('set', `[${texts(512, (i) => `"${(i * 7919) % 513}"`)}]`),
  line('set', `[${texts(513, (i) => `"${i}"`)}]`),
  line('set', `[${texts(128, (i) => (i === 100 ? '"x"' : `"${i}"`))}]`),
  line('set', `[${texts(129, (i) => (i === 100 ? '"x"' : `"${i}"`))}]`),
  line('set', '["-9223372036854775808","9223372036854775807"]'),
  line('hash', `{${texts(512, (i) => `"f${i}":"${i}"`)}}`),
  line('hash', `{${texts(513, (i) => `"f${i}":"${i}"`)}}`),
  line('hash', `{"a":"1","b":"${'x'.repeat(65)}"}`),
  line('zset', `{${texts(128, (i) => `"m${i}":${(i * 7919) % 100}`)}}`),
  line('zset', `{${texts(129, (i) => `"m${i}":${i / 128}`)}}`),
  line('zset', '{"a":-1.5,"b":0,"c":-0.0,"d":"inf","e":"-inf","f":1700000000.123456}'),
  line('zset', '{"a":9007199254740991,"b":3479099956230698,"c":-2,"d":1e+300,"e":5e-324}'),
  line('zset', '{"a":0.30000000000000004,"b":9007199254740992,"c":1.7976931348623157e+308}'),
];

describe('KernelEncoder', () => {
  test('encodes usual lines of every type itself, for targets old and new', () => {
    for (const options of [NEW, OLD]) {
      for (const lines of USUAL) assert.ok(isDone(lines, options), lines.slice(0, 200));
      assert.ok(isDone(USUAL.join(''), options));
    }
    assert.ok(isDone(line('stream', STREAM)));
  });

  test('keeps the nodes of a stream within their limits', () => {
    const entries = texts(
      450,
      (i) => `{"id":"${1000 + i}-0","fields":[["a","${'x'.repeat(i % 90)}"],["b","${i}"]]}`,
    );
    const tail = '],"lastId":"1449-0","firstId":null,"maxDeletedId":null,"entriesAdded":null';
    assert.ok(isDone(line('stream', `{"entries":[${entries}${tail},"groups":[]}`)));
  });

  test('hands back what it does not know, and goes on behind it', () => {
    const odd = [
      line(
        'module',
        '{"name":"ReJSON-RL","rdbType":7,"rdbVersion":11,"dialect":"redis","payload":"base64:AA=="}',
      ),
      line('hash', '{"a":"1","b":"2"}', ',"fieldExpireAt":{"a":4102444800000}'),
      line('string', '"\\ud83d\\ude00"'),
      line('zset', '{"a":12345678901234567890.5}'),
      line('stream', STREAM.replace('"consumer":"c"', '"consumer":null')),
      line('string', '"v"').replace('"db":3', '"db":4'),
    ];
    for (const each of odd) assert.ok(!isDone(USUAL[0] + each + USUAL[8]), each);
  });

  test('leaves a block that holds a part of a long key to one reader', () => {
    const part = line('list', '["a"]', ',"part":0,"more":true');
    const rest = line('list', '["b"]', ',"part":1');
    assert.ok(!isDone(USUAL[0] + part + rest + USUAL[0]));
  });

  test('says nothing of invalid lines', () => {
    const whole = line('hash', '{"a":"1","b":"base64:/w=="}', ',"expireAt":4102444800000');
    const pair = new EncoderPair(NEW);
    for (let size = 0; size < whole.length; size++) {
      pair.assertSame(Buffer.from(whole.slice(0, size)), `cut at ${size}`);
      pair.assertSame(Buffer.from(`${whole.slice(0, size)}\n`), `cut at ${size}, with its end`);
      pair.assertSame(Buffer.from(`${whole.slice(0, size)}\n${whole}`), `torn at ${size}`);
    }
  });

  test('applies the expiry policies and the selection by type and database', () => {
    const lines = [500, 1000, 1001, 9000].map((at) => line('string', '"v"', `,"expireAt":${at}`));
    const all = lines.join('') + line('list', '["a"]') + line('set', '["1"]');
    for (const policy of ['absolute', 'remaining', 'persist'] as const) {
      const ttl = { policy, startedAtMs: 5000, snapshotAtMs: 500 };
      for (const types of [['string'], ['list', 'hash'], ['module'], undefined] as const) {
        for (const databases of [[3], [4], undefined]) {
          const selection = { ...(types && { types }), ...(databases && { databases }) };
          // One of the policies with a target that must be told a time to live.
          const restoreOptions = policy !== 'remaining';
          const options = { ...NEW, ttl, selection, restoreOptions, setPxat: restoreOptions };
          assert.equal(isDone(all, options), databases?.[0] !== 4);
        }
      }
    }
  });

  test('is not there for selections by key, nor for targets before Redis 4.0', () => {
    const keys = [Buffer.from('k')];
    assert.equal(KernelEncoder.create({ ...NEW, selection: { keys } }), undefined);
    assert.equal(KernelEncoder.create({ ...NEW, selection: { match: keys } }), undefined);
    assert.equal(KernelEncoder.create({ ...NEW, selection: { exclude: keys } }), undefined);
    const ancient = encoderOptions(targetFormat('redis', 30200));
    assert.equal(KernelEncoder.create(ancient), undefined);
  });

  test('refuses blocks beyond its input, which TypeScript then encodes', () => {
    assert.ok(!isDone(line('string', `"${'x'.repeat(4 << 20)}"`)));
  });

  test('gives its commands in several runs when they outgrow its output', () => {
    // Short to read and long to write.
    const members = texts(128, () => '"a":1e20');
    const lines = Buffer.from(line('zset', `{${members}}`).repeat(3500));
    new EncoderPair(NEW).assertSame(lines, 'much output');
    const kernel = KernelEncoder.create(NEW) as KernelEncoder;
    assert.ok(kernel.open(lines, 1000));
    assert.equal(kernel.run(), 'full');
    const first = kernel.ends.length;
    assert.equal(kernel.run(), 'done');
    assert.equal(first + kernel.ends.length, 3500);
  });
});
