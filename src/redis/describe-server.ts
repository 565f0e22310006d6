import { type Reply, ReplyError, replyPairs, replyText } from '../resp/index.ts';
import { infoFlag, infoNumber, parseInfo } from './info-text.ts';
import type { RedisConnection } from './redis-connection.ts';
import { errorOfReply } from './reply-errors.ts';
import type { ReplicaInfo, ServerFamily, ServerIdentity, ServerModule } from './server-identity.ts';

type Fields = Readonly<Record<string, string>>;

/**
 * Asks the server who it is. A command that the user may not run, or that does not exist there, is
 * listed in `forbidden` and leaves nulls: without INFO, HELLO still tells family and version from
 * Redis 6.0 on. Throws only when the link breaks or the server wants a password.
 */
export async function describeServer(conn: RedisConnection): Promise<ServerIdentity> {
  const forbidden: string[] = [];
  const allowed = async (name: string, args: string[]): Promise<Reply | undefined> => {
    const reply = await conn.attempt(args);
    if (!(reply instanceof ReplyError)) return reply;
    if (reply.code === 'NOAUTH') throw errorOfReply(reply, name);
    if (reply.code !== 'LOADING') forbidden.push(name);
    return undefined;
  };
  const text = await allowed('INFO', ['INFO']);
  const info = text instanceof Buffer ? parseInfo(text.toString()) : {};
  const hello = text instanceof Buffer ? {} : await askHello(conn);
  const databases = await allowed('CONFIG GET', ['CONFIG', 'GET', 'databases']);
  const modules = await allowed('MODULE LIST', ['MODULE', 'LIST']);
  const { family, version } = nameServer(info, hello);
  return {
    family,
    version,
    versionNumber: parseVersion(version),
    ...instanceFacts(info, hello),
    ...replicationFacts(info),
    databases: configNumber(databases),
    modules: modules === undefined ? null : readModules(modules),
    info,
    forbidden,
  };
}

/** `HELLO 2` answers a flat list of names and values; it changes nothing. */
async function askHello(conn: RedisConnection): Promise<Fields> {
  const reply = await conn.attempt(['HELLO', '2']);
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of replyPairs(reply)) fields[name] = replyText(value);
  return fields;
}

/** Valkey and KeyDB also answer `redis_version`, as a promise of compatibility. */
export function nameServer(
  info: Fields,
  hello: Fields,
): { readonly family: ServerFamily; readonly version: string } {
  const valkey = info['valkey_version'];
  if (valkey !== undefined) return { family: 'valkey', version: valkey };
  const version = info['redis_version'] ?? hello['version'] ?? '';
  const isKeydb = 'mvcc_depth' in info || /keydb/i.test(info['executable'] ?? '');
  if (isKeydb) return { family: 'keydb', version };
  if (info['server_name'] === 'valkey') return { family: 'valkey', version };
  if (info['redis_version'] !== undefined) return { family: 'redis', version };
  const server = hello['server'];
  return { family: server === 'redis' || server === 'valkey' ? server : 'unknown', version };
}

export function parseVersion(text: string): readonly [number, number, number] {
  const match = /^(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0), Number(match?.[3] ?? 0)];
}

function instanceFacts(info: Fields, hello: Fields) {
  const mode = info['redis_mode'] ?? info['server_mode'] ?? hello['mode'];
  const lastSave = info['rdb_last_bgsave_status'];
  return {
    runId: info['run_id'] ?? null,
    mode: mode === 'standalone' || mode === 'cluster' || mode === 'sentinel' ? mode : null,
    role: readRole(info['role'] ?? hello['role']),
    keys: 'redis_version' in info ? readKeyspace(info) : null,
    usedMemory: infoNumber(info, 'used_memory'),
    maxMemory: infoNumber(info, 'maxmemory'),
    maxMemoryPolicy: info['maxmemory_policy'] ?? null,
    systemMemory: infoNumber(info, 'total_system_memory'),
    loading: infoFlag(info, 'loading'),
    bgsaveInProgress: infoFlag(info, 'rdb_bgsave_in_progress'),
    lastBgsaveOk: lastSave === undefined ? null : lastSave === 'ok',
    os: info['os'] ?? null,
  } as const;
}

function replicationFacts(info: Fields) {
  const host = info['master_host'];
  return {
    replid: info['master_replid'] ?? null,
    offset: infoNumber(info, 'master_repl_offset'),
    replicas: info['role'] === undefined ? null : readReplicas(info),
    master:
      host === undefined
        ? null
        : {
            host,
            port: infoNumber(info, 'master_port') ?? 0,
            linkUp: info['master_link_status'] === 'up',
          },
  };
}

function readRole(text: string | undefined): 'master' | 'replica' | null {
  if (text === 'master') return 'master';
  return text === 'slave' || text === 'replica' || text === 'active-replica' ? 'replica' : null;
}

/** `slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=1,…` */
export function readReplicas(info: Fields): ReplicaInfo[] {
  const replicas: ReplicaInfo[] = [];
  for (const [name, text] of Object.entries(info)) {
    if (!/^slave\d+$/.test(name)) continue;
    const fields = pairs(text);
    replicas.push({
      host: fields['ip'] ?? '',
      port: Number(fields['port'] ?? 0),
      state: fields['state'] ?? '',
      offset: Number(fields['offset'] ?? 0),
      lagSeconds: Number(fields['lag'] ?? 0),
    });
  }
  return replicas;
}

/** `db0:keys=12,expires=3,avg_ttl=0` */
function readKeyspace(info: Fields): Record<number, number> {
  const keys: Record<number, number> = {};
  for (const [name, text] of Object.entries(info)) {
    const database = /^db(\d+)$/.exec(name);
    if (database) keys[Number(database[1])] = Number(pairs(text)['keys'] ?? 0);
  }
  return keys;
}

function pairs(text: string): Fields {
  const fields: Record<string, string> = Object.create(null);
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    if (equals > 0) fields[part.slice(0, equals)] = part.slice(equals + 1);
  }
  return fields;
}

function configNumber(reply: Reply | undefined): number | null {
  const value = Number(replyText(replyPairs(reply).get('databases')) || Number.NaN);
  return Number.isSafeInteger(value) ? value : null;
}

/** MODULE LIST: per module a flat list of names and values, more of them in newer versions. */
export function readModules(reply: Reply): ServerModule[] {
  if (!Array.isArray(reply)) return [];
  return reply.filter(Array.isArray).map((entry) => {
    const fields = replyPairs(entry);
    return { name: replyText(fields.get('name')), version: Number(replyText(fields.get('ver'))) };
  });
}
