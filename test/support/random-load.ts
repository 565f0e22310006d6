import { readFacts, type ServerFacts } from './server-facts.ts';
import { type Arg, RespPipe } from './resp-pipe.ts';
import { SeededRandom } from './seeded-random.ts';

/**
 * Random writes of all types that go on until stopped, for tests in which the state itself does not
 * matter, only that it keeps changing. Keys begin with `load:`; about 20 per type, so that every
 * kind of command meets an existing key. For a state that can be checked see write-load.ts.
 */
export type RandomLoad = {
  /** Commands answered so far. */
  readonly commands: number;
  /** Ends it; resolves with the number of commands when the last one is answered. */
  stop(): Promise<number>;
};

export type RandomLoadOptions = {
  /** Default 20,000. */
  readonly commandsPerSecond?: number;
  /** Also FLUSHDB of database 7, SWAPDB of 7 and 8, MOVE; default false. */
  readonly acrossDatabases?: boolean;
};

const BATCH = 200;
const KEYS_PER_TYPE = 20;
/** What a random command may stumble over without anything being wrong. */
const EXPECTED_ERRORS = /no such key|NOGROUP|equal or smaller than|requires the key to exist/;

export async function writeLoad(
  url: string,
  seed: number,
  options: RandomLoadOptions = {},
): Promise<RandomLoad> {
  const pipe = await RespPipe.open(url);
  const facts = await readFacts(pipe);
  const random = new SeededRandom(seed);
  const batchMs = (BATCH * 1000) / (options.commandsPerSecond ?? 20_000);
  let stopping = false;
  const work = async (): Promise<void> => {
    let due = performance.now();
    while (!stopping) {
      for (let i = 0; i < BATCH; i++) pipe.pipe(...randomCommand(random, facts));
      if (options.acrossDatabases === true && !facts.cluster) crossDatabases(pipe, random);
      await pipe.flushed();
      const wrong = pipe.takeErrors().find((error) => !EXPECTED_ERRORS.test(error));
      if (wrong !== undefined) throw new Error(`The load was refused: ${wrong}`);
      due = Math.max(due + batchMs, performance.now() - 1000);
      const wait = due - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    }
  };
  const running = work();
  // A failure shows when the load is stopped.
  running.catch(() => undefined);
  return {
    get commands() {
      return pipe.answered;
    },
    async stop() {
      stopping = true;
      try {
        await running;
        return pipe.answered;
      } finally {
        pipe.close();
      }
    },
  };
}

type Kind = (random: SeededRandom, key: (type: string) => string) => Arg[];

const KINDS: readonly Kind[] = [
  (r, key) => ['SET', key('string'), r.word(r.between(1, 200))],
  (r, key) => ['SET', key('string'), r.bytes(r.between(1, 300)), 'PX', r.between(1000, 100_000)],
  (r, key) => ['APPEND', key('string'), r.word(5)],
  (r, key) => ['SETRANGE', key('string'), r.below(100), r.word(3)],
  (r, key) => ['SETBIT', key('bits'), r.below(10_000), r.below(2)],
  (r, key) => ['INCRBY', key('counter'), r.between(-100, 100)],
  (r, key) => ['INCRBYFLOAT', key('float'), r.below(1000) / 8],
  (r, key) => ['PFADD', key('hyperloglog'), r.word(6)],
  (r, key) => ['RPUSH', key('list'), r.word(8), r.below(1000)],
  (r, key) => ['LPUSH', key('list'), r.bytes(r.between(1, 80))],
  (_, key) => ['LPOP', key('list')],
  (r, key) => ['LTRIM', key('list'), 0, r.between(50, 300)],
  (_, key) => ['RPOPLPUSH', key('list'), key('list')],
  (r, key) => ['SADD', key('set'), r.below(2000), r.word(3)],
  (r, key) => ['SREM', key('set'), r.below(2000)],
  (_, key) => ['SPOP', key('set')],
  (_, key) => ['SMOVE', key('set'), key('set'), 1],
  (r, key) => ['ZADD', key('zset'), r.double(), r.below(500)],
  (r, key) => ['ZINCRBY', key('zset'), r.below(100) / 4, r.below(500)],
  (r, key) => ['ZREM', key('zset'), r.below(500)],
  (_, key) => ['ZREMRANGEBYRANK', key('zset'), 300, -1],
  (r, key) => ['HSET', key('hash'), r.below(700), r.word(12)],
  (r, key) => ['HINCRBY', key('hash'), 'counter', r.below(9)],
  (r, key) => ['HDEL', key('hash'), r.below(700)],
  (r, key) => ['PEXPIRE', key(r.pick(['list', 'set', 'hash'])), r.between(500, 60_000)],
  (r, key) => ['PERSIST', key(r.pick(['string', 'list', 'set', 'hash']))],
  (r, key) => ['DEL', key(r.pick(['string', 'list', 'set', 'zset', 'hash']))],
  (r, key) => ['UNLINK', key(r.pick(['zset', 'hash']))],
  (r, key) => {
    const type = r.pick(['string', 'list', 'zset']);
    return ['RENAME', key(type), key(type)];
  },
  (r, key) => ['GEOADD', key('geo'), r.below(180), r.below(80), r.word(2)],
  (_, key) => ['ZUNIONSTORE', key('union'), 2, key('zset'), key('geo')],
  (_, key) => ['SINTERSTORE', key('inter'), key('set'), key('set')],
  (_, key) => ['EVAL', "return redis.call('INCR', KEYS[1])", 1, key('counter')],
];

const STREAM_KINDS: readonly Kind[] = [
  (r, key) => [
    'XADD',
    key('stream'),
    'MAXLEN',
    '~',
    500,
    '*',
    'f',
    r.word(10),
    r.word(3),
    r.below(100),
  ],
  (r, key) => ['XADD', key('stream'), '*', 'f', r.below(1000)],
  (_, key) => ['XTRIM', key('stream'), 'MAXLEN', 300],
  (r, key) => ['XGROUP', 'CREATE', key('stream'), `g${r.below(1e9)}`, 0, 'MKSTREAM'],
  (r, key) => [
    'XREADGROUP',
    'GROUP',
    'g',
    `c${r.below(4)}`,
    'COUNT',
    5,
    'STREAMS',
    key('stream'),
    '>',
  ],
  (_, key) => ['DEL', key('stream')],
];

const FIELD_EXPIRY_KINDS: readonly Kind[] = [
  (r, key) => ['HPEXPIRE', key('hash'), r.between(500, 60_000), 'FIELDS', 1, r.below(700)],
  (r, key) => ['HPERSIST', key('hash'), 'FIELDS', 1, r.below(700)],
];

function randomCommand(random: SeededRandom, facts: ServerFacts): Arg[] {
  // One slot in a cluster, so that commands of two keys work.
  const prefix = facts.cluster ? '{load}:' : 'load:';
  const key = (type: string): string => `${prefix}${type}:${random.below(KEYS_PER_TYPE)}`;
  if (facts.major >= 5 && random.chance(0.15)) return random.pick(STREAM_KINDS)(random, key);
  const expiring = facts.valkey
    ? facts.major >= 9
    : facts.major > 7 || (facts.major === 7 && facts.minor >= 4);
  if (expiring && random.chance(0.05)) return random.pick(FIELD_EXPIRY_KINDS)(random, key);
  return random.pick(KINDS)(random, key);
}

function crossDatabases(pipe: RespPipe, random: SeededRandom): void {
  if (!random.chance(0.05)) return;
  const key = `load:string:${random.below(KEYS_PER_TYPE)}`;
  pipe.pipe('MOVE', key, 7);
  pipe.pipe('SELECT', 8);
  pipe.pipe('SET', key, random.word(9));
  pipe.pipe('SWAPDB', 7, 8);
  if (random.chance(0.2)) pipe.pipe('FLUSHDB');
  pipe.pipe('SELECT', 0);
}
