import { errorOfReply, type RedisConnection } from '../redis/index.ts';
import { type Reply, ReplyError, replyPairs, replyText } from '../resp/index.ts';

/** One line of the instance record, ready for JSON.stringify. */
export type InstanceLine =
  | { readonly type: 'info'; readonly value: string }
  | { readonly type: 'config'; readonly value: Readonly<Record<string, string>> }
  | { readonly type: 'modules'; readonly value: readonly ModuleFacts[] }
  | { readonly type: 'acl'; readonly value: readonly string[] }
  | { readonly type: 'forbidden'; readonly command: string; readonly reason: string };

export type ModuleFacts = Readonly<Record<string, string | number>>;

/**
 * Parameters whose value is a secret, or may hold one: `rename-command`-like lists and module
 * arguments are not in CONFIG GET at all.
 */
const SECRET = /(pass|password|auth|secret|token|credential|private)/i;

/** Parameters that the pattern catches and that hold no secret. */
const HARMLESS = new Set(['tls-auth-clients', 'tls-auth-clients-user', 'tls-replication']);

/**
 * What a restore may want to know of the instance beyond its data: INFO, CONFIG without secrets,
 * modules. `acl` only for sealed repositories: ACL LIST holds password hashes. A command that the
 * user may not run, or that the server does not know, becomes a `forbidden` line. Throws only when
 * the link breaks.
 */
export async function collectInstance(
  conn: RedisConnection,
  options: { readonly acl: boolean },
): Promise<InstanceLine[]> {
  const lines: InstanceLine[] = [];
  const ask = async (...args: string[]): Promise<Reply | undefined> => {
    const reply = await conn.attempt(args);
    if (!(reply instanceof ReplyError)) return reply;
    if (reply.code === 'NOAUTH') throw errorOfReply(reply, args[0]);
    const reason = reply.code === 'NOPERM' ? 'no permission' : 'refused or unknown';
    lines.push({ type: 'forbidden', command: args.slice(0, 2).join(' '), reason });
    return undefined;
  };
  let info = await ask('INFO', 'everything');
  // A server that does not know the section answers with an empty text.
  if (info instanceof Buffer && info.length === 0) info = await ask('INFO');
  if (info instanceof Buffer) lines.push({ type: 'info', value: info.toString() });
  const config = await ask('CONFIG', 'GET', '*');
  if (Array.isArray(config)) lines.push({ type: 'config', value: withoutSecrets(config) });
  const modules = await ask('MODULE', 'LIST');
  if (Array.isArray(modules)) lines.push({ type: 'modules', value: moduleFacts(modules) });
  if (options.acl) {
    const acl = await ask('ACL', 'LIST');
    if (Array.isArray(acl)) lines.push({ type: 'acl', value: acl.map(replyText) });
  }
  return lines;
}

/** A flat list of names and values as an object; secrets that are set become `(removed)`. */
export function withoutSecrets(reply: Reply): Record<string, string> {
  const config: Record<string, string> = {};
  for (const [name, value] of replyPairs(reply)) {
    const text = replyText(value);
    config[name] = isSecret(name) && text !== '' ? '(removed)' : text;
  }
  return config;
}

function isSecret(name: string): boolean {
  return SECRET.test(name) && !HARMLESS.has(name);
}

/** Module arguments are left out: people pass passwords there. */
function moduleFacts(reply: readonly Reply[]): ModuleFacts[] {
  return reply.filter(Array.isArray).map((entry) => {
    const facts: Record<string, string | number> = {};
    for (const [name, value] of replyPairs(entry)) {
      if (typeof value === 'number') facts[name] = value;
      else if (value instanceof Buffer) facts[name] = replyText(value);
    }
    return facts;
  });
}
