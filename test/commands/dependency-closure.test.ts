import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CommandReader,
  DependencyClosure,
  type NeededKeys,
  type StreamCommand,
} from '../../src/commands/index.ts';
import { connect, parseAddress, type RedisConnection } from '../../src/redis/index.ts';
import { ReplyError } from '../../src/resp/index.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { encodeCommand } from '../support/stream-bytes.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20261122);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 60);
const KEYS = Array.from({ length: 30 }, (_, i) => `k${i}`);

type Args = readonly string[];

function baseOf(random: SeededRandom): Args[] {
  return KEYS.flatMap((key, i) => {
    const n = String(random.below(5));
    const make: readonly Args[] = [
      ['SET', key, `value ${n}`],
      ['RPUSH', key, 'a', 'b', n],
      ['SADD', key, 'a', 'b', n],
      ['ZADD', key, '1', 'a', n, 'b'],
      ['PFADD', key, 'a', n],
    ];
    return random.chance(0.8) ? [make[i % make.length]] : [];
  });
}

/** Any command on any keys; most fit the types of their keys, as those are told by their number. */
function randomCommand(random: SeededRandom): Args {
  const key = (type?: number): string => {
    if (type === undefined || random.chance(0.1)) return random.pick(KEYS);
    return KEYS[type + 5 * random.below(KEYS.length / 5)];
  };
  const n = String(random.below(9));
  const makers: readonly (() => Args)[] = [
    () => ['SET', key(), n],
    () => ['APPEND', key(0), n],
    () => ['MSET', key(), n, key(), n],
    () => ['MSETNX', key(), n, key(), n],
    () => ['DEL', key(), key()],
    () => ['RENAME', key(), key()],
    () => ['RENAMENX', key(), key()],
    () => ['COPY', key(), key(), 'REPLACE'],
    () => ['COPY', key(), key(), 'DB', String(random.below(2))],
    () => ['MOVE', key(), String(random.below(2))],
    () => ['LMOVE', key(1), key(1), 'LEFT', 'RIGHT'],
    () => ['RPOPLPUSH', key(1), key(1)],
    () => ['LPUSH', key(1), n],
    () => ['SMOVE', key(2), key(2), 'a'],
    () => ['SADD', key(2), n],
    () => ['SUNIONSTORE', key(2), key(2), key(2)],
    () => ['SDIFFSTORE', key(2), key(2), key(2)],
    () => ['ZUNIONSTORE', key(3), '2', key(3), key(2)],
    () => ['ZRANGESTORE', key(3), key(3), '0', '1'],
    () => ['ZADD', key(3), n, 'c'],
    () => ['PFMERGE', key(4), key(4), key(4)],
    () => ['BITOP', 'XOR', key(0), key(0), key(0)],
    () => ['SORT', key(1), 'ALPHA', 'STORE', key(1)],
    () => ['SELECT', String(random.below(2))],
    () => (random.chance(0.3) ? ['SWAPDB', '0', '1'] : ['SET', key(0), n]),
    () => (random.chance(0.03) ? ['FLUSHDB'] : ['INCR', key(0)]),
  ];
  return random.pick(makers)();
}

function readAll(commands: readonly Args[], use: (command: StreamCommand) => void): void {
  const bytes = Buffer.concat(commands.map((args) => encodeCommand(args)));
  new CommandReader({ offset: 0, database: 0 }).push(bytes, 0, bytes.length, use);
}

/** By content: an encoding may remember a command that failed. */
async function readWanted(link: RedisConnection, wanted: readonly string[]): Promise<string[]> {
  const replies = await link.pipeline([
    ['SELECT', '0'],
    ...wanted.flatMap((key) => [
      ['GET', key],
      ['LRANGE', key, '0', '-1'],
      ['EXISTS', key],
      ['SUNION', key],
      ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
    ]),
  ]);
  return replies.map((reply, index) => {
    if (reply instanceof ReplyError) return reply.code;
    if (typeof reply === 'number') return String(reply);
    // SUNION, every fifth: members of a set come in any order.
    const texts = Array.isArray(reply) ? reply.map((one) => (one as Buffer).toString('hex')) : [];
    if (index % 5 === 4) texts.sort();
    return Buffer.isBuffer(reply) ? reply.toString('hex') : JSON.stringify(texts);
  });
}

describe('DependencyClosure', () => {
  test(`names all keys that a few need, seed ${SEED}`, async (t) => {
    const name = 'valkey-9';
    if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(name);
    const link = await connect(parseAddress(server.url));
    try {
      const random = new SeededRandom(SEED);
      let left = 0;
      let dropped = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const base = baseOf(random);
        await link.pipeline([['FLUSHALL'], ['SELECT', '0'], ...base]);
        const tried = Array.from({ length: random.between(5, 60) }, () => randomCommand(random));
        const replies = await link.pipeline(tried);
        // As in a stream: what failed is not there.
        const stream = tried.filter((_, i) => !(replies[i] instanceof ReplyError));
        const wanted = [random.pick(KEYS), random.pick(KEYS)];
        const truth = await readWanted(link, wanted);

        const needed = closeOver(stream, wanted);
        const isBaseNeeded = ([, key]: Args) => needed.has(0, Buffer.from(key));
        const part = base.filter(isBaseNeeded);
        const kept: Args[] = [];
        let index = 0;
        readAll(stream, (command) => {
          const args = stream[index++];
          if (needed.keeps(command)) kept.push(args);
        });
        left += base.length - part.length;
        dropped += stream.length - kept.length;
        await link.pipeline([['FLUSHALL'], ['SELECT', '0'], ...part]);
        const failed = (await link.pipeline(kept)).findIndex((one) => one instanceof ReplyError);
        const where = `round ${round}, wanted ${wanted.join(', ')}`;
        assert.equal(failed, -1, `${where}: ${(kept[failed] ?? []).join(' ')} fails`);
        assert.deepEqual(await readWanted(link, wanted), truth, where);
      }
      assert.ok(left > ROUNDS * 3, `${left} keys could be left out`);
      assert.ok(dropped > ROUNDS * 3, `${dropped} commands could be left out`);
    } finally {
      link.close();
    }
  });
});

function closeOver(stream: readonly Args[], wanted: readonly string[]): NeededKeys {
  const closure = new DependencyClosure();
  readAll(stream, (command) => closure.add(command));
  assert.equal(closure.everythingBecause, null);
  return closure.close((database, key) => database === 0 && wanted.includes(key.toString()));
}
