import { CodedError } from '../../base/index.ts';
import type { RedisConnection } from '../../redis/index.ts';
import { ReplyError } from '../../resp/index.ts';

/** What is in the shop: enough to look like one, little enough for a few seconds. */
const USERS = 6_000;
const CARTS = 4_000;
const SESSIONS = 9_000;
const PAGES = 8_000;
const PRODUCTS = 5_000;
const ORDERS = 3_000;
const TAGS = ['coffee', 'tea', 'mugs', 'filters', 'grinders', 'books', 'gifts', 'sale'];
const QUEUES = ['mail', 'invoices', 'thumbnails'];
const FIRST = ['Ann', 'Bela', 'Chen', 'Dara', 'Emil', 'Fatima', 'Göran', 'Hana', 'Ivo', 'Jia'];
const LAST = ['Abe', 'Brandt', 'Costa', 'Dvořák', 'Evans', 'Fischer', 'García', '李', 'Okafor'];

const HOUR_MS = 3_600_000;
const BATCH = 1_000;

export const SHOP_LIBRARY = `#!lua name=shop
redis.register_function('award', function(keys, args)
  return redis.call('ZINCRBY', keys[1], args[1], args[2])
end)
`;

type Arg = string | number | Uint8Array;

/** Fills an empty server with the shop, the same for every seed but for the time of day. */
export async function fillShop(
  conn: RedisConnection,
  options: { readonly seed: number; readonly nowMs: number; readonly functions: boolean },
): Promise<void> {
  const batch: Arg[][] = [];
  const flush = async (): Promise<void> => {
    const replies = await conn.pipeline(batch);
    const refused = replies.find((reply) => reply instanceof ReplyError);
    if (refused !== undefined) {
      throw new CodedError('COMMAND_FAILED', `Cannot fill the shop: ${refused.message}`);
    }
    batch.length = 0;
  };
  for (const command of shopCommands(createRandom(options.seed), options.nowMs)) {
    batch.push(command);
    if (batch.length === BATCH) await flush();
  }
  if (options.functions) batch.push(['FUNCTION', 'LOAD', SHOP_LIBRARY]);
  await flush();
}

function* shopCommands(random: Random, nowMs: number): Generator<Arg[]> {
  yield* people(random, nowMs);
  yield* goods(random);
  yield* orders(random, nowMs);
  yield ['SELECT', 1];
  for (let page = 0; page < PAGES; page++) {
    yield ['SET', `page:/product/${page}:views`, random.below(250_000)];
  }
  yield ['SETBIT', 'visited:today', USERS, 1];
  yield ['PFADD', 'visitors:week', ...Array.from({ length: 500 }, () => random.below(1e9))];
  yield ['SELECT', 0];
}

function* people(random: Random, nowMs: number): Generator<Arg[]> {
  for (let user = 1; user <= USERS; user++) {
    const name = `${random.pick(FIRST)} ${random.pick(LAST)}`;
    const fields = ['name', name, 'email', `user${user}@shop.example`, 'points', random.below(900)];
    yield ['HSET', `user:${user}`, ...fields, 'since', 2010 + random.below(16)];
    yield ['ZADD', 'leaderboard', random.below(100_000) / 4, `user:${user}`];
  }
  for (let cart = 1; cart <= CARTS; cart++) {
    const items = Array.from({ length: 1 + random.below(5) }, () => [
      `product:${random.below(PRODUCTS)}`,
      1 + random.below(4),
    ]);
    yield ['HSET', `cart:${cart}`, ...items.flat()];
    yield ['PEXPIREAT', `cart:${cart}`, nowMs + 24 * HOUR_MS + random.below(72 * HOUR_MS)];
  }
  for (let session = 0; session < SESSIONS; session++) {
    const state = { user: 1 + random.below(USERS), theme: random.pick(['light', 'dark']) };
    const ttl = 2 * HOUR_MS + random.below(12 * HOUR_MS);
    yield ['SET', `session:${random.word(24)}`, JSON.stringify(state), 'PX', ttl];
  }
}

function* goods(random: Random): Generator<Arg[]> {
  for (let product = 0; product < PRODUCTS; product++) {
    const price = (100 + random.below(20_000)) / 100;
    const value = { title: `${random.word(8)} ${random.word(5)}`, price, stock: random.below(500) };
    yield ['SET', `product:${product}`, JSON.stringify(value)];
    yield ['SADD', `tag:${random.pick(TAGS)}`, `product:${product}`];
    if (product % 3 === 0) yield ['SADD', `related:${product}`, product + 1, product + 2];
  }
  for (const queue of QUEUES) {
    for (let job = 0; job < 40; job++) yield ['RPUSH', `jobs:${queue}`, `${queue}-${job}`];
  }
  // Bytes that are no text, as thumbnails are.
  yield ['SET', 'thumbnail:1', Uint8Array.from({ length: 512 }, () => random.below(256))];
}

function* orders(random: Random, nowMs: number): Generator<Arg[]> {
  for (let order = 0; order < ORDERS; order++) {
    const id = `${nowMs - (ORDERS - order) * 1_000}-0`;
    const total = (500 + random.below(50_000)) / 100;
    yield ['XADD', 'orders', id, 'user', 1 + random.below(USERS), 'total', total, 'state', 'new'];
  }
  yield ['XGROUP', 'CREATE', 'orders', 'packing', '0'];
  for (const packer of ['mira', 'tom']) {
    const read = ['XREADGROUP', 'GROUP', 'packing', packer, 'COUNT', 120];
    yield [...read, 'STREAMS', 'orders', '>'];
  }
}

type Random = {
  readonly below: (limit: number) => number;
  readonly pick: <T>(from: readonly T[]) => T;
  readonly word: (length: number) => string;
};

/** mulberry32: small, and the same everywhere. */
function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  return {
    below,
    pick: (from) => from[below(from.length)],
    word: (length) => Array.from({ length }, () => letters[below(letters.length)]).join(''),
  };
}
