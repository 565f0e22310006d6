import { FAR_FUTURE_MS, type FillContext } from './data-shapes.ts';
import { EDGE_LENGTHS, EDGE_SCORES, EDGE_TEXTS } from './edge-texts.ts';
import type { Arg } from './resp-pipe.ts';

/** Around these sizes servers change the encoding of a collection. */
const BORDER_SIZES = [1, 2, 127, 128, 129, 511, 512, 513, 1500];
const PER_COMMAND = 500;

/** Lists, sets, hashes and sorted sets of every encoding. */
export function fillCollections(context: FillContext): void {
  fillLists(context);
  fillSets(context);
  fillSortedSets(context);
  fillHashes(context);
  fillFieldExpiries(context);
}

function numbers(size: number): number[] {
  return Array.from({ length: size }, (_, i) => i);
}

/** Sends the elements in several commands, so that none is too long. */
function add({ pipe }: FillContext, command: string, key: Arg, elements: readonly Arg[][]): void {
  for (let i = 0; i < elements.length; i += PER_COMMAND) {
    pipe.pipe(command, key, ...elements.slice(i, i + PER_COMMAND).flat());
  }
}

function fillLists(context: FillContext): void {
  const { pipe, random } = context;
  for (const size of BORDER_SIZES) {
    add(
      context,
      'RPUSH',
      `list:size:${size}`,
      numbers(size).map((i) => [`item ${i}`]),
    );
    add(
      context,
      'RPUSH',
      `list:int:${size}`,
      numbers(size).map((i) => [i * 37 - 500]),
    );
  }
  for (const size of EDGE_LENGTHS) {
    pipe.pipe(
      'RPUSH',
      `list:length:${size}`,
      'a',
      random.bytes(size),
      'b',
      Buffer.alloc(size, 'z'),
    );
  }
  add(
    context,
    'RPUSH',
    'list:edges',
    EDGE_TEXTS.map((text) => [text]),
  );
  pipe.pipe('RPUSH', 'list:same', ...numbers(300).map(() => 'same'));
  add(
    context,
    'RPUSH',
    'list:compressible',
    numbers(1500).map(() => ['lorem ipsum dolor sit amet']),
  );
  pipe.pipe('RPUSH', 'list:ttl', 'v');
  pipe.pipe('PEXPIREAT', 'list:ttl', FAR_FUTURE_MS + 7);
}

function fillSets(context: FillContext): void {
  const { pipe, random } = context;
  const widths: [string, bigint][] = [
    ['16', 20n],
    ['32', 40_000n],
    ['64', 5_000_000_000n],
  ];
  for (const [width, step] of widths) {
    for (const size of [1, 24, 512, 513]) {
      const members = numbers(size).map((i) => [String(step * BigInt(i - size / 2 < 0 ? -i : i))]);
      add(context, 'SADD', `set:int${width}:${size}`, members);
    }
  }
  for (const size of BORDER_SIZES) {
    add(
      context,
      'SADD',
      `set:size:${size}`,
      numbers(size).map((i) => [`member ${i}`]),
    );
  }
  for (const size of EDGE_LENGTHS) {
    pipe.pipe('SADD', `set:length:${size}`, 'a', random.bytes(size), Buffer.alloc(size, 'z'));
  }
  add(
    context,
    'SADD',
    'set:edges',
    EDGE_TEXTS.map((text) => [text]),
  );
  pipe.pipe('SADD', Buffer.from([0xff, 0, 0x73]), 'in a binary key');
}

function fillSortedSets(context: FillContext): void {
  const { pipe, random } = context;
  for (const size of BORDER_SIZES) {
    add(
      context,
      'ZADD',
      `zset:size:${size}`,
      numbers(size).map((i) => [i * 3 - 50, `member ${i}`]),
    );
    add(
      context,
      'ZADD',
      `zset:double:${size}`,
      numbers(size).map((i) => [random.double(), `m${i}`]),
    );
  }
  for (const size of EDGE_LENGTHS) {
    pipe.pipe(
      'ZADD',
      `zset:length:${size}`,
      1,
      'a',
      2,
      random.bytes(size),
      3,
      Buffer.alloc(size, 'z'),
    );
  }
  const scores = EDGE_SCORES.map((score, i) => [score, `score ${i}`]);
  add(context, 'ZADD', 'zset:scores', scores);
  add(context, 'ZADD', 'zset:scores-large', [
    ...scores,
    ...numbers(200).map((i) => [i / 7, `filler ${i}`]),
  ]);
  add(
    context,
    'ZADD',
    'zset:edges',
    EDGE_TEXTS.map((text, i) => [i % 5, text]),
  );
  pipe.pipe('ZADD', 'zset:ties', 1, 'b', 1, 'a', 1, 'c', 0, 'd');
  pipe.pipe('GEOADD', 'geo', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania');
}

function fillHashes(context: FillContext): void {
  const { pipe, random } = context;
  for (const size of BORDER_SIZES) {
    add(
      context,
      'HSET',
      `hash:size:${size}`,
      numbers(size).map((i) => [`field ${i}`, i * i]),
    );
  }
  for (const size of EDGE_LENGTHS) {
    pipe.pipe('HSET', `hash:length:${size}`, 'a', random.bytes(size), random.bytes(size), 'b');
  }
  add(
    context,
    'HSET',
    'hash:edge-fields',
    EDGE_TEXTS.map((text, i) => [text, i]),
  );
  add(
    context,
    'HSET',
    'hash:edge-values',
    EDGE_TEXTS.map((text, i) => [`f${i}`, text]),
  );
  add(
    context,
    'HSET',
    'hash:edge-both',
    EDGE_TEXTS.map((text) => [text, text]),
  );
}

function fillFieldExpiries(context: FillContext): void {
  const { pipe, options, supports } = context;
  if (!supports([7, 4], 9)) return;
  const near = Date.now() + options.nearTtlMs;
  const expire = (key: string, at: number, fields: readonly Arg[]): void =>
    pipe.pipe('HPEXPIREAT', key, at, 'FIELDS', fields.length, ...fields);
  for (const size of [1, 3, 512, 513, 1000]) {
    const key = `hash:expiry:${size}`;
    add(
      context,
      'HSET',
      key,
      numbers(size).map((i) => [`f${i}`, `v${i}`]),
    );
    for (const i of numbers(size)) {
      if (i % 3 === 0) expire(key, FAR_FUTURE_MS + (i % 7) * 1000 + i, [`f${i}`]);
    }
  }
  add(
    context,
    'HSET',
    'hash:expiry-edges',
    EDGE_TEXTS.map((text, i) => [text, i]),
  );
  expire('hash:expiry-edges', FAR_FUTURE_MS + 12_345, EDGE_TEXTS.slice(0, 40));
  pipe.pipe('HSET', 'hash:expiry-near', 'soon', '1', 'later', '2', 'never', '3');
  expire('hash:expiry-near', near, ['soon']);
  expire('hash:expiry-near', FAR_FUTURE_MS, ['later']);
  pipe.pipe('HSET', 'hash:expiry-and-ttl', 'a', '1', 'b', '2');
  expire('hash:expiry-and-ttl', FAR_FUTURE_MS, ['a']);
  pipe.pipe('PEXPIREAT', 'hash:expiry-and-ttl', FAR_FUTURE_MS + 99);
  pipe.pipe('HSET', 'hash:expiry-persisted', 'a', '1');
  expire('hash:expiry-persisted', FAR_FUTURE_MS, ['a']);
  pipe.pipe('HPERSIST', 'hash:expiry-persisted', 'FIELDS', 1, 'a');
}
