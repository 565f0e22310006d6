import { createHash } from 'node:crypto';
import { createClient, RESP_TYPES } from 'redis';
import { readLiveStream } from './live-stream-reader.ts';
import {
  addKey,
  type Bytes,
  createModel,
  type HashField,
  hashValue,
  type Model,
  scoreBits,
  setValue,
  type ValueModel,
  zsetValue,
} from './model.ts';

/**
 * Reads everything that a live server shows, of any version, by plain commands of a client that is
 * not ours, into the comparable model. What commands do not show stays `undefined`: idle times and
 * frequencies, and script bodies.
 *
 * Servers before 7.0 do not tell absolute expiries: they are computed and may be off by some
 * milliseconds, which the model says.
 */
const EXPIRY_TOLERANCE_MS = 50;

/** Sends one command and gives its RESP2 reply: Buffers, strings, numbers, nested arrays. */
export type Ask = (...args: (string | Buffer)[]) => Promise<LiveReply>;
export type LiveReply = Buffer | string | number | null | LiveReply[];

export type LiveOptions = {
  /** Only these databases; otherwise all that have keys. */
  readonly databases?: readonly number[];
  readonly username?: string;
  readonly password?: string;
};

export type LiveServer = {
  readonly ask: Ask;
  readonly version: readonly [number, number];
  readonly valkey: boolean;
  readonly cluster: boolean;
};

const KEYS_AT_ONCE = 2000;
const FIELDS_AT_ONCE = 1000;
/** Of HPEXPIRETIME. */
const NO_EXPIRY = -1;
const NO_FIELD = -2;

export async function readLive(url: string, options: LiveOptions = {}): Promise<Model> {
  return withServer(url, options, async (server) => {
    const model = createModel();
    if (server.version[0] < 7) model.expiryToleranceMs = EXPIRY_TOLERANCE_MS;
    for (const db of options.databases ?? (await databasesWithKeys(server))) {
      if (!server.cluster) await server.ask('SELECT', String(db));
      await readDatabase(server, db, model);
    }
    model.functions = await readFunctions(server);
    return model;
  });
}

/**
 * One digest of everything on the server, for "did anything change?". By DEBUG DIGEST, which is
 * fast but looks neither at expiry times nor at consumer groups, or else over the comparable model.
 */
export async function digestServer(
  url: string,
  options: LiveOptions & { readonly exact?: boolean } = {},
): Promise<string> {
  if (options.exact !== true) {
    const quick = await withServer(url, options, ({ ask }) =>
      ask('DEBUG', 'DIGEST').catch(() => undefined),
    );
    if (quick !== undefined) return text(quick);
  }
  return digestModel(await readLive(url, options));
}

/** SHA-256 over a model, independent of the order in which it was read. */
export function digestModel(model: Model): string {
  const hash = createHash('sha256');
  for (const id of [...model.keys.keys()].sort()) hash.update(JSON.stringify(model.keys.get(id)));
  hash.update(JSON.stringify(model.functions ?? []));
  return hash.digest('hex');
}

async function withServer<T>(
  url: string,
  options: LiveOptions,
  work: (server: LiveServer) => Promise<T>,
): Promise<T> {
  const client = createClient({
    ...(url.startsWith('/') ? { socket: { path: url, tls: false } } : { url }),
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    RESP: 2,
    disableClientInfo: true,
  });
  client.on('error', () => client.destroy());
  await client.connect();
  const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };
  const ask: Ask = (...args) => client.sendCommand<LiveReply>(args, { typeMapping });
  try {
    const info = text(await ask('INFO', 'server'));
    const version = /^(?:valkey|redis)_version:(\d+)\.(\d+)/m;
    const valkey = /^valkey_version:(\d+)\.(\d+)/m.exec(info);
    const [, major = '0', minor = '0'] = valkey ?? version.exec(info) ?? [];
    return await work({
      ask,
      version: [Number(major), Number(minor)],
      valkey: valkey !== null,
      cluster: /^redis_mode:cluster/m.test(info),
    });
  } finally {
    client.destroy();
  }
}

async function databasesWithKeys({ ask }: LiveServer): Promise<number[]> {
  const keyspace = text(await ask('INFO', 'keyspace'));
  return [...keyspace.matchAll(/^db(\d+):keys=/gm)].map(([, db]) => Number(db));
}

async function readDatabase(server: LiveServer, db: number, model: Model): Promise<void> {
  const seen = new Set<Bytes>();
  let cursor = '0';
  let batch: Buffer[] = [];
  do {
    const [next, keys] = (await server.ask('SCAN', cursor, 'COUNT', '1000')) as [Buffer, Buffer[]];
    cursor = next.toString('latin1');
    for (const key of keys) {
      if (seen.has(key.toString('latin1'))) continue;
      seen.add(key.toString('latin1'));
      batch.push(key);
    }
    if (batch.length >= KEYS_AT_ONCE || cursor === '0') {
      await Promise.all(batch.map((key) => readKey(server, db, key, model)));
      batch = [];
    }
  } while (cursor !== '0');
}

async function readKey(server: LiveServer, db: number, key: Buffer, model: Model): Promise<void> {
  const [type, expireAt] = await Promise.all([server.ask('TYPE', key), readExpiry(server, key)]);
  if (text(type) === 'none') return;
  const value = await readValue(server, text(type), key);
  if (value === undefined) return;
  addKey(model, { db, key: bytes(key), type: text(type), expireAt, value });
}

async function readExpiry({ ask, version }: LiveServer, key: Buffer): Promise<number | null> {
  if (version[0] >= 7) {
    const at = Number(await ask('PEXPIRETIME', key));
    return at < 0 ? null : at;
  }
  const left = Number(await ask('PTTL', key));
  if (left < 0) return null;
  const [time, again] = await Promise.all([ask('TIME'), ask('PTTL', key)]);
  const [seconds, micros] = list(time);
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000) + Number(again);
}

/** `undefined` when the key has gone in the meantime. */
async function readValue(
  server: LiveServer,
  type: string,
  key: Buffer,
): Promise<ValueModel | undefined> {
  const { ask } = server;
  switch (type) {
    case 'string': {
      const value = await ask('GET', key);
      return value === null ? undefined : { kind: 'string', bytes: bytes(value) };
    }
    case 'list':
      return { kind: 'list', items: list(await ask('LRANGE', key, '0', '-1')).map(bytes) };
    case 'set':
      return setValue(list(await ask('SMEMBERS', key)).map(bytes));
    case 'zset': {
      const pairs = pairsOf(await ask('ZRANGE', key, '0', '-1', 'WITHSCORES'));
      return zsetValue(pairs.map(([member, score]) => [bytes(member), readScore(score)]));
    }
    case 'hash':
      return readHash(server, key);
    case 'stream':
      return await readLiveStream(server, key).catch((error: unknown) => {
        if (/no such key/.test(String(error))) return undefined;
        throw error;
      });
    case 'vectorset':
      return readVectorSet(server, key);
    default:
      return readDump(server, type, key);
  }
}

function readScore(reply: LiveReply): string {
  const score = text(reply);
  if (score === 'inf') return scoreBits(Number.POSITIVE_INFINITY);
  if (score === '-inf') return scoreBits(Number.NEGATIVE_INFINITY);
  return scoreBits(Number(score));
}

async function readHash(server: LiveServer, key: Buffer): Promise<ValueModel> {
  const pairs = pairsOf(await server.ask('HGETALL', key));
  const { version, valkey } = server;
  const expiring = valkey
    ? version[0] >= 9
    : version[0] > 7 || (version[0] === 7 && version[1] >= 4);
  const expiries = expiring ? await readFieldExpiries(server, key, pairs) : [];
  return hashValue(
    pairs.flatMap(([field, value], i): HashField[] => {
      const at = expiries[i] ?? NO_EXPIRY;
      // It expired between the two questions.
      if (at === NO_FIELD) return [];
      return [[bytes(field), bytes(value), at === NO_EXPIRY ? null : at]];
    }),
  );
}

async function readFieldExpiries(
  { ask }: LiveServer,
  key: Buffer,
  pairs: readonly [LiveReply, LiveReply][],
): Promise<number[]> {
  const expiries: number[] = [];
  for (let i = 0; i < pairs.length; i += FIELDS_AT_ONCE) {
    const fields = pairs.slice(i, i + FIELDS_AT_ONCE).map(([field]) => field as Buffer);
    const times = await ask('HPEXPIRETIME', key, 'FIELDS', String(fields.length), ...fields);
    expiries.push(...list(times).map(Number));
  }
  return expiries;
}

async function readVectorSet({ ask }: LiveServer, key: Buffer): Promise<ValueModel> {
  const [dim, card, info] = await Promise.all([
    ask('VDIM', key),
    ask('VCARD', key),
    ask('VINFO', key),
  ]);
  const quantization = pairsOf(info).find(([name]) => text(name) === 'quant-type')?.[1] ?? '';
  const names = list(await ask('VRANDMEMBER', key, text(card))) as Buffer[];
  const elements = await Promise.all(
    names.map(async (name) => {
      const [raw, attributes] = await Promise.all([
        ask('VEMB', key, name, 'RAW'),
        ask('VGETATTR', key, name),
      ]);
      const [, blob, norm, range] = list(raw);
      return {
        element: bytes(name),
        attributes: attributes === null ? null : bytes(attributes),
        raw: bytes(blob),
        norm: text(norm),
        range: range === undefined ? null : text(range),
      };
    }),
  );
  elements.sort((a, b) => (a.element < b.element ? -1 : 1));
  return {
    kind: 'vectorset',
    vectors: { dim: Number(dim), quantization: text(quantization), elements },
  };
}

/** Module values and types that came later: the payload, without its type byte and footer. */
async function readDump(
  { ask }: LiveServer,
  type: string,
  key: Buffer,
): Promise<ValueModel | undefined> {
  const dump = await ask('DUMP', key);
  if (!(dump instanceof Buffer)) return undefined;
  const payload = bytes(dump.subarray(1, dump.length - 10));
  return { kind: 'opaque', name: type, rdbType: dump[0] ?? 0, payload };
}

async function readFunctions({ ask, version }: LiveServer): Promise<Bytes[]> {
  if (version[0] < 7) return [];
  const libraries = list(await ask('FUNCTION', 'LIST', 'WITHCODE'));
  return libraries
    .map((library) => {
      const code = pairsOf(library).find(([name]) => text(name) === 'library_code');
      return bytes(code?.[1] ?? '');
    })
    .sort();
}

export function bytes(reply: LiveReply): Bytes {
  if (reply instanceof Buffer) return reply.toString('latin1');
  if (typeof reply === 'string') return reply;
  throw new Error('A bulk reply was expected');
}

export function text(reply: LiveReply): string {
  return reply instanceof Buffer ? reply.toString('latin1') : String(reply);
}

export function list(reply: LiveReply): LiveReply[] {
  if (!Array.isArray(reply)) throw new Error('An array reply was expected');
  return reply;
}

/** A flat array of alternating names and values. */
export function pairsOf(reply: LiveReply): [LiveReply, LiveReply][] {
  const flat = list(reply);
  const pairs: [LiveReply, LiveReply][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    pairs.push([flat[i], flat[i + 1]]);
  }
  return pairs;
}
