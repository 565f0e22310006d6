import { isCoded } from '../base/index.ts';
import type { EntrySelection } from '../entries/index.ts';
import {
  connect,
  type RedisAddress,
  type RedisConnection,
  type TlsOptions,
} from '../redis/index.ts';
import type { Manifest } from '../repository/index.ts';
import { ReplyError } from '../resp/index.ts';
import type { Finding } from '../sources/index.ts';
import { readTargetFacts, type TargetFacts } from './target-facts.ts';

export type PrecheckTargetRequest = {
  readonly target: RedisAddress;
  readonly tls?: TlsOptions;
  /** The backup that is to be restored, if one is meant already. */
  readonly manifest?: Manifest;
  readonly mapDb?: ReadonlyMap<number, number>;
  readonly selection?: EntrySelection;
  readonly signal?: AbortSignal;
};

/** RDB bytes in memory take about so much more. */
const MEMORY_FACTOR = 1.5;

/** What a restore needs to run, with arguments enough to ask. */
const COMMANDS: readonly (readonly string[])[] = [
  ['SET', 'key', 'value'],
  ['RESTORE', 'key', '0', 'payload'],
  ['DUMP', 'key'],
  ['EXISTS', 'key'],
  ['GETRANGE', 'key', '0', '1'],
  ['SELECT', '0'],
  ['PEXPIRETIME', 'key'],
  // Keys of more than a mebibyte are built by these.
  ['APPEND', 'key', 'value'],
  ['RPUSH', 'key', 'item'],
  ['SADD', 'key', 'member'],
  ['HSET', 'key', 'field', 'value'],
  ['ZADD', 'key', '1', 'member'],
  ['PEXPIRE', 'key', '1'],
  ['PEXPIREAT', 'key', '1'],
  ['PERSIST', 'key'],
  ['RENAME', 'key', 'other'],
  ['RENAMENX', 'key', 'other'],
  ['UNLINK', 'key'],
];
const FIELD_EXPIRY = ['HPEXPIREAT', 'key', '1', 'FIELDS', '1', 'field'];

/**
 * Whether a server can be restored to, one finding per question. Writes nothing. Reports failures
 * as findings; throws only INTERRUPTED.
 */
export async function precheckTarget(request: PrecheckTargetRequest): Promise<Finding[]> {
  const { target, tls, signal } = request;
  const findings: Finding[] = [];
  let conn: RedisConnection | undefined;
  try {
    conn = await connect(target, { ...(tls && { tls }), ...(signal && { signal }) });
    findings.push(finding('target.reachable', 'ok', 'The server answers and accepts the login'));
    const facts = await readTargetFacts(conn);
    const { family, version } = facts.identity;
    findings.push(finding('target.version', 'ok', `It is ${family} ${version}`));
    findings.push(...checkFacts(facts, request.manifest, request));
    findings.push(await checkRights(conn, facts));
  } catch (error) {
    if (!isCoded(error) || error.code === 'INTERRUPTED') throw error;
    findings.push(finding('target.reachable', 'error', error.message, error.hint));
  } finally {
    conn?.close();
  }
  return findings;
}

/** What can be said without asking the target more; the same that a restore refuses. */
export function checkFacts(
  facts: TargetFacts,
  manifest?: Manifest,
  wanted: Pick<PrecheckTargetRequest, 'mapDb' | 'selection'> = {},
): Finding[] {
  const { identity } = facts;
  const findings: Finding[] = [];
  if (identity.mode === 'cluster' || identity.mode === 'sentinel') {
    const what = identity.mode === 'cluster' ? 'runs in cluster mode' : 'is a Sentinel';
    findings.push(
      finding('target.mode', 'error', `The target ${what}`, 'Restore to a standalone server'),
    );
  }
  if (identity.role === 'replica') {
    const remedy = 'Restore to its master, or make it one: REPLICAOF NO ONE';
    findings.push(finding('target.role', 'error', 'The target is a replica', remedy));
  }
  if (identity.loading === true) {
    const remedy = 'Wait until it has loaded its data';
    findings.push(finding('target.loading', 'error', 'The target is loading its data', remedy));
  }
  if (manifest !== undefined) {
    findings.push(...checkDatabases(facts, manifest, wanted));
    findings.push(...checkMemory(facts, manifest));
  }
  return findings;
}

function checkDatabases(
  { identity }: TargetFacts,
  manifest: Manifest,
  { mapDb, selection }: Pick<PrecheckTargetRequest, 'mapDb' | 'selection'>,
): Finding[] {
  const { databases } = identity;
  if (databases === null) return [];
  const chosen = manifest.databases.map(({ db }) => db);
  const read = chosen.filter((db) => selection?.databases?.includes(db) ?? true);
  const highest = Math.max(-1, ...read.map((db) => mapDb?.get(db) ?? db));
  if (highest < databases) {
    const message = `The target has ${databases} databases, enough for this backup`;
    return [finding('target.databases', 'ok', message)];
  }
  const message = `The target has ${databases} databases, database ${highest} is needed`;
  const remedy = 'Set "databases" in its configuration, or map databases with --map-db';
  return [finding('target.databases', 'error', message, remedy)];
}

function checkMemory({ identity }: TargetFacts, manifest: Manifest): Finding[] {
  const { maxMemory, usedMemory, maxMemoryPolicy } = identity;
  if (maxMemory === null || usedMemory === null || maxMemory === 0) return [];
  const bytes = manifest.shards.reduce((sum, { rdb }) => sum + (rdb?.bytes ?? 0), 0);
  const needed = bytes * MEMORY_FACTOR;
  if (usedMemory + needed <= maxMemory) return [];
  const mib = (value: number): string => `${Math.ceil(value / 2 ** 20)} MiB`;
  const evicts = maxMemoryPolicy !== null && maxMemoryPolicy !== 'noeviction';
  const then = evicts ? `it would evict keys (${maxMemoryPolicy})` : 'it may refuse writes';
  const message =
    `The target may use ${mib(maxMemory)} and uses ${mib(usedMemory)}; ` +
    `a whole restore may need ${mib(needed)} more: ${then}`;
  const remedy = 'Raise its maxmemory, or select less';
  return [finding('target.memory', 'warning', message, remedy)];
}

/** Asks the server what this user may run; before 7.0 nobody can tell without trying. */
async function checkRights(conn: RedisConnection, facts: TargetFacts): Promise<Finding> {
  const user = conn.address.user ?? 'default';
  const missing: string[] = [];
  const wanted = facts.format.fieldExpiry === 'none' ? COMMANDS : [...COMMANDS, FIELD_EXPIRY];
  for (const command of wanted) {
    const reply = await conn.attempt(['ACL', 'DRYRUN', user, ...command]);
    if (reply instanceof ReplyError) {
      const message = 'The rights of this user could not be asked for';
      return finding('target.rights', 'ok', message);
    }
    if (reply !== 'OK') missing.push(`+${command[0].toLowerCase()}`);
  }
  if (missing.length === 0) {
    return finding('target.rights', 'ok', 'This user may run what a restore needs');
  }
  const message = `This user may not run all that a restore needs: ${missing.join(' ')}`;
  return finding('target.rights', 'error', message, `ACL SETUSER ${user} ${missing.join(' ')} ~*`);
}

function finding(
  id: string,
  level: Finding['level'],
  message: string,
  remedy: string | null = null,
): Finding {
  return { id, level, message, remedy };
}
