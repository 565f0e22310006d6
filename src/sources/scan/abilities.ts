import { CodedError } from '../../base/index.ts';
import type { RdbFormat } from '../../rdb/index.ts';
import {
  displayAddress,
  errorOfReply,
  type RedisConnection,
  type ServerIdentity,
} from '../../redis/index.ts';
import { type Reply, ReplyError, replyText } from '../../resp/index.ts';
import { checkPayload } from './dump-payload.ts';

/** What the server, and our user there, let us use. */
export type Abilities = {
  /** Absolute expiries (7.0); without it PTTL and the time of the server. */
  readonly expireTime: boolean;
  /** MULTI and EXEC: value and expiry of a key are of one moment. */
  readonly transactions: boolean;
  /** WATCH: a key that changes while it is read in parts is noticed for sure. */
  readonly watch: boolean;
  readonly time: boolean;
  readonly memoryUsage: boolean;
  readonly type: boolean;
  /** Expiries of hash fields (Redis 7.4, Valkey 9). `hidden`: there may be some; we cannot ask. */
  readonly fieldExpiry: 'none' | 'readable' | 'hidden';
  /** SCAN TYPE (6.0). */
  readonly scanType: boolean;
};

/** An unlikely key: asking for it costs the server nothing. */
const NO_KEY = 'tidemark:no-such-key';

const PROBES = {
  scan: ['SCAN', '0', 'COUNT', '1'],
  dump: ['DUMP', NO_KEY],
  pexpiretime: ['PEXPIRETIME', NO_KEY],
  pttl: ['PTTL', NO_KEY],
  multi: ['MULTI'],
  exec: ['EXEC'],
  watch: ['WATCH', NO_KEY],
  unwatch: ['UNWATCH'],
  time: ['TIME'],
  memory: ['MEMORY', 'USAGE', NO_KEY],
  type: ['TYPE', NO_KEY],
  hpexpiretime: ['HPEXPIRETIME', NO_KEY, 'FIELDS', '1', 'f'],
  scanType: ['SCAN', '0', 'COUNT', '1', 'TYPE', 'string'],
} as const;

type Probe = keyof typeof PROBES;

/**
 * Tries every command that reading by SCAN uses, on a key that does not exist. Throws NOPERM with
 * the ACL line when one is forbidden that nothing can replace, SOURCE_UNSUPPORTED when the server
 * does not know it, and what an error reply of another kind means (SOURCE_LOADING, …).
 */
export async function tryAbilities(
  conn: RedisConnection,
  identity: ServerIdentity,
): Promise<Abilities> {
  const names = Object.keys(PROBES) as Probe[];
  const replies = await conn.pipeline(names.map((name) => PROBES[name]));
  const answers = new Map(names.map((name, i) => [name, replies[i]]));
  const works = (...probes: Probe[]) => probes.every((probe) => isAllowed(answers.get(probe)));
  const missing = (['scan', 'dump'] as const).filter((probe) => !works(probe));
  const hasExpiry = works('pexpiretime') || works('pttl');
  if (missing.length > 0 || !hasExpiry) {
    const refused = missing[0] ?? 'pttl';
    throw whyNot(conn, refused, answers.get(refused) as ReplyError);
  }
  return {
    expireTime: works('pexpiretime'),
    transactions: works('multi', 'exec'),
    watch: works('watch', 'unwatch', 'multi', 'exec'),
    time: works('time'),
    memoryUsage: works('memory'),
    type: works('type'),
    fieldExpiry: works('hpexpiretime') ? 'readable' : hiddenExpiry(identity, answers),
    scanType: works('scanType'),
  };
}

/** Whether fields expire here although HPEXPIRETIME does not work. */
function hiddenExpiry(
  { family, versionNumber: [major, minor] }: ServerIdentity,
  answers: ReadonlyMap<Probe, Reply>,
): 'none' | 'hidden' {
  const isRefused = !/unknown command/i.test(replyText(answers.get('hpexpiretime')));
  const isNew = family === 'valkey' ? major >= 9 : major > 7 || (major === 7 && minor >= 4);
  return isRefused || isNew ? 'hidden' : 'none';
}

/** A user who is limited to some keys may run a command although he may not ask for our key. */
function isAllowed(reply: Reply | undefined): boolean {
  if (!(reply instanceof ReplyError)) return true;
  return reply.code === 'NOPERM' && /access .*\bkeys?\b/.test(reply.message);
}

/** The ACL line that lets a user be read by SCAN. */
export function scanAclLine(user: string | null): string {
  return `ACL SETUSER ${user ?? 'default'} ~* +@read +@transaction +select +time +info`;
}

function whyNot(conn: RedisConnection, probe: Probe, reply: ReplyError): CodedError {
  const what = PROBES[probe][0];
  const where = displayAddress({ ...conn.address, user: null, database: null });
  if (reply.code === 'NOPERM') return missingRight(conn, reply, what);
  if (/unknown command/i.test(reply.message)) {
    return new CodedError('SOURCE_UNSUPPORTED', `Cannot read ${where}: it has no ${what}`, {
      hint: 'Import an RDB file of it instead',
    });
  }
  return errorOfReply(reply, what);
}

/** NOPERM, with the line that gives every right that is needed. */
export function missingRight(conn: RedisConnection, reply: ReplyError, what: string): CodedError {
  const answer = JSON.stringify(reply.message.slice(0, 200));
  return new CodedError('NOPERM', `Cannot run ${what}: the server answered ${answer}`, {
    hint: `Reading by SCAN needs ${scanAclLine(conn.address.user)}`,
  });
}

const FORMAT_TRIES = 5;
const SMALL_BYTES = 1 << 20;

/** The format of the server's payloads, from any small key of the present database. */
export async function probeFormat(
  conn: RedisConnection,
  abilities: Abilities,
): Promise<RdbFormat | null> {
  if (!abilities.memoryUsage) return null;
  for (let i = 0; i < FORMAT_TRIES; i++) {
    const key = await conn.attempt(['RANDOMKEY']);
    if (!(key instanceof Buffer)) return null;
    const size = await conn.attempt(['MEMORY', 'USAGE', key]);
    if (typeof size !== 'number' || size > SMALL_BYTES) continue;
    const payload = await conn.attempt(['DUMP', key]);
    if (payload instanceof Buffer) return checkPayload(payload, key);
  }
  return null;
}

const MAX_GUESSED_DATABASES = 1024;

/**
 * The databases that have keys, in order. Without the right to INFO, all that can be selected, as
 * far as 1,024.
 */
export async function listDatabases(
  conn: RedisConnection,
  identity: ServerIdentity,
): Promise<number[]> {
  if (identity.keys !== null) {
    const listed = Object.keys(identity.keys).map(Number);
    if (listed.length > 0) return listed;
    // A server that lists none may still have keys: not everything that answers INFO is a Redis.
    const size = await conn.attempt(['DBSIZE']);
    return size === 0 ? [] : [0];
  }
  const found: number[] = [];
  const last = identity.databases ?? MAX_GUESSED_DATABASES;
  for (let db = 0; db < last; db++) {
    const reply = await conn.attempt(['SELECT', db]);
    if (reply instanceof ReplyError) break;
    found.push(db);
  }
  // Behind a proxy SELECT may be unknown; what we are connected to is read then.
  return found.length === 0 ? [0] : found;
}

/** Where SELECT is unknown there is one database, which we are in. */
export async function selectDatabase(conn: RedisConnection, db: number): Promise<void> {
  const reply = await conn.attempt(['SELECT', db]);
  if (reply instanceof ReplyError && db !== 0) throw errorOfReply(reply, 'SELECT');
}
