import { fillCollections } from './data-collections.ts';
import { fillStreams } from './data-streams.ts';
import { EDGE_LENGTHS, EDGE_TEXTS } from './edge-texts.ts';
import { RespPipe } from './resp-pipe.ts';
import { SeededRandom } from './seeded-random.ts';
import { readFacts, type ServerFacts } from './server-facts.ts';

export { type RandomLoad, writeLoad } from './random-load.ts';

/**
 * Fills a live server, of any version, with every type, encoding and edge case that it supports.
 * The same seed gives the same data on the same version, except for what a server makes itself
 * (times of consumers, ids of idempotent stream entries).
 */
export type FillOptions = {
  readonly seed?: number;
  /** Default 0, 3, 9 and 15; only 0 in a cluster. The first gets everything. */
  readonly databases?: readonly number[];
  /** Additional ordinary keys of all types in the first database, default 0. */
  readonly bulkKeys?: number;
  /** Values and elements of more than 1 MiB, default true: about 25 MB. */
  readonly big?: boolean;
  /** Time to live of the keys and fields that expire soon; default ten minutes. */
  readonly nearTtlMs?: number;
};

export type FillContext = {
  readonly pipe: RespPipe;
  readonly random: SeededRandom;
  readonly facts: ServerFacts;
  readonly options: Required<FillOptions>;
  /** Whether the server is Redis of this version, or a Valkey of the other. */
  readonly supports: (redis: readonly [number, number], valkey: number | null) => boolean;
};

/** 2100-01-01. */
export const FAR_FUTURE_MS = 4_102_444_800_000;
const BULK_BATCH = 1000;

/** Fills; resolves when the server has answered everything. Any refused command is an error. */
export async function fillServer(url: string, options: FillOptions = {}): Promise<ServerFacts> {
  const pipe = await RespPipe.open(url);
  try {
    const facts = await readFacts(pipe);
    const full: Required<FillOptions> = {
      seed: options.seed ?? 1,
      databases: facts.cluster ? [0] : (options.databases ?? [0, 3, 9, 15]),
      bulkKeys: options.bulkKeys ?? 0,
      big: options.big ?? true,
      nearTtlMs: options.nearTtlMs ?? 600_000,
    };
    const context: FillContext = {
      pipe,
      random: new SeededRandom(full.seed),
      facts,
      options: full,
      supports: (redis, valkey) =>
        facts.valkey
          ? valkey !== null && facts.major >= valkey
          : facts.major > redis[0] || (facts.major === redis[0] && facts.minor >= redis[1]),
    };
    await fillDatabases(context);
    return facts;
  } finally {
    pipe.close();
  }
}

async function fillDatabases(context: FillContext): Promise<void> {
  const { pipe, facts, options } = context;
  for (const [i, db] of options.databases.entries()) {
    if (!facts.cluster) pipe.pipe('SELECT', db);
    fillStrings(context);
    if (i === 0) {
      fillCollections(context);
      fillStreams(context);
      if (options.big) fillBig(context);
      fillVectorSets(context);
      await pipe.done();
      await fillBulk(context, options.bulkKeys);
    } else {
      fillSmall(context, db);
    }
    await pipe.done();
  }
  if (!facts.cluster && options.databases[0] !== undefined) {
    pipe.pipe('SELECT', options.databases[0]);
  }
  fillFunctions(context);
  await pipe.done();
}

function fillStrings({ pipe, random, options }: FillContext): void {
  const near = Date.now() + options.nearTtlMs;
  for (const [i, text] of EDGE_TEXTS.entries()) {
    pipe.pipe('SET', text, `value of edge key ${i}`);
    pipe.pipe('SET', `edge:value:${i}`, text);
  }
  for (const size of EDGE_LENGTHS) {
    pipe.pipe('SET', `length:same:${size}`, Buffer.alloc(size, 'a'));
    pipe.pipe('SET', `length:random:${size}`, random.bytes(size));
    pipe.pipe('SET', random.word(size), `key of ${size} bytes`);
  }
  const expiries = [1_893_456_000_000, FAR_FUTURE_MS, FAR_FUTURE_MS + 1, 253_402_300_799_999, near];
  for (const [i, at] of expiries.entries()) {
    pipe.pipe('SET', `ttl:${i}`, 'v');
    pipe.pipe('PEXPIREAT', `ttl:${i}`, at);
  }
  for (let i = 0; i < 5; i++) pipe.pipe('PFADD', 'hyperloglog', random.word(8), random.word(9));
  for (let i = 0; i < 20; i++) pipe.pipe('SETBIT', 'bitmap', random.below(20_000), 1);
}

/** One key of each type, some that expire, under names that differ by database. */
function fillSmall({ pipe }: FillContext, db: number): void {
  pipe.pipe('RPUSH', `list:${db}`, 'a', db, '');
  pipe.pipe('SADD', `set:${db}`, 1, 2, db);
  pipe.pipe('SADD', `words:${db}`, 'a', 'b', `db ${db}`);
  pipe.pipe('ZADD', `zset:${db}`, 1.5, 'a', '-inf', 'b', db, 'c');
  pipe.pipe('HSET', `hash:${db}`, 'f', 'v', 'db', db);
  pipe.pipe('PEXPIREAT', `hash:${db}`, FAR_FUTURE_MS + db);
  pipe.pipe('RPUSH', 'same name in every database', db);
}

function fillBig({ pipe, random, facts }: FillContext): void {
  const mebi = 1 << 20;
  const text = Buffer.from('Kurz, aber größer als gedacht: 日本語 😀. '.repeat(50_000)).subarray(
    0,
    mebi + 3,
  );
  pipe.pipe('SET', 'big:random', random.bytes(3 * mebi + 17));
  pipe.pipe('SET', 'big:exact', Buffer.alloc(mebi, 'x'));
  pipe.pipe('SET', 'big:text', text);
  pipe.pipe(
    'RPUSH',
    'big:list',
    'before',
    random.bytes(2 * mebi + 1),
    'after',
    Buffer.alloc(mebi, 'y'),
  );
  pipe.pipe('SADD', 'big:set', 'small', random.bytes(mebi + 1));
  pipe.pipe('ZADD', 'big:zset', 1, 'small', 2.5, Buffer.alloc(mebi + 9, 'm'));
  pipe.pipe('HSET', 'big:hash', 'a', '1', 'b', text, random.bytes(mebi + 2), 'long name', 'c', '2');
  if (facts.major >= 5) {
    pipe.pipe('XADD', 'big:stream', '1-1', 'f', 'v');
    pipe.pipe('XADD', 'big:stream', '2-1', 'f', random.bytes(mebi + 5), 'g', 'w');
    pipe.pipe('XADD', 'big:stream', '2-2', text, 'value of a long name');
    const wide = Array.from({ length: 300 }, (_, i) => [`field ${i}`, random.word(10_000)]);
    pipe.pipe('XADD', 'big:wide-entry', '1-1', ...wide.flat());
    for (let i = 1; i <= 20_000; i++) pipe.pipe('XADD', 'big:pending', `${i}-0`, 'f', i);
    pipe.pipe('XGROUP', 'CREATE', 'big:pending', 'g', 0);
    pipe.pipe('XGROUP', 'CREATE', 'big:pending', 'h', 0);
    pipe.pipe('XREADGROUP', 'GROUP', 'g', 'c1', 'COUNT', 9000, 'STREAMS', 'big:pending', '>');
    pipe.pipe('XREADGROUP', 'GROUP', 'g', 'c2', 'STREAMS', 'big:pending', '>');
    pipe.pipe('XREADGROUP', 'GROUP', 'h', 'c1', 'STREAMS', 'big:pending', '>');
  }
  const items = Array.from({ length: 40_000 }, (_, i) => `item ${i} ${random.word(30)}`);
  for (let i = 0; i < items.length; i += BULK_BATCH) {
    const part = items.slice(i, i + BULK_BATCH);
    pipe.pipe('RPUSH', 'big:long-list', ...part);
    pipe.pipe('SADD', 'big:large-set', ...part);
    pipe.pipe('HSET', 'big:large-hash', ...part.flatMap((item) => [item, item.length]));
    pipe.pipe('ZADD', 'big:large-zset', ...part.flatMap((item) => [random.double(), item]));
  }
}

function fillVectorSets({ pipe, random, supports }: FillContext): void {
  if (!supports([8, 0], null)) return;
  const kinds = ['NOQUANT', 'Q8', 'BIN'] as const;
  for (const kind of kinds) {
    for (let i = 0; i < 12; i++) {
      const vector = Array.from({ length: 8 }, () => (random.below(2000) - 1000) / 500);
      const attributes = i % 3 === 0 ? ['SETATTR', `{"n":${i}}`] : [];
      pipe.pipe('VADD', `vectors:${kind}`, 'VALUES', 8, ...vector, `e${i}`, kind, ...attributes);
    }
  }
}

function fillFunctions({ pipe, supports }: FillContext): void {
  if (!supports([7, 0], 7)) return;
  for (const name of ['edge_one', 'edge_two']) {
    const source =
      `#!lua name=${name}\n-- a comment with "quotes" and ünïcode\n` +
      `redis.register_function('${name}_f', function(keys, args) return args[1] end)\n`;
    pipe.pipe('FUNCTION', 'LOAD', 'REPLACE', source);
  }
}

/** Ordinary keys: half small strings, half small collections, a tenth of them with an expiry. */
async function fillBulk({ pipe, random, facts }: FillContext, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const key = `bulk:${i}:${random.word(4)}`;
    const size = random.between(2, 20);
    const words = Array.from({ length: size }, () => random.word(random.between(1, 24)));
    switch (random.below(10)) {
      case 0:
        pipe.pipe('RPUSH', key, ...words);
        break;
      case 1:
        pipe.pipe('SADD', key, ...words);
        break;
      case 2:
        pipe.pipe('HSET', key, ...words.flatMap((word, n) => [`f${n}`, word]));
        break;
      case 3:
        pipe.pipe('ZADD', key, ...words.flatMap((word) => [random.below(10_000) / 8, word]));
        break;
      case 4:
        if (facts.major >= 5)
          pipe.pipe('XADD', key, `${1_700_000_000_000 + i}-0`, 'f', ...words.slice(0, 1));
        else pipe.pipe('SET', key, i);
        break;
      default:
        pipe.pipe('SET', key, random.chance(0.2) ? random.below(1e9) : words.join(' '));
    }
    if (random.chance(0.1)) pipe.pipe('PEXPIREAT', key, FAR_FUTURE_MS + random.below(1e9));
    if (i % BULK_BATCH === 0) await pipe.room();
  }
}
