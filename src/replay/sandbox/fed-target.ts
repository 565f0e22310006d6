import { describeServer, type RedisConnection } from '../../redis/index.ts';
import { type Reply, ReplyError, replyText } from '../../resp/index.ts';
import type { FedTarget } from '../feed/feed-options.ts';

/**
 * What a feed has to know of the server that it feeds: family, version, its commands by name
 * (modules' too), its databases. What the user may not ask is left out. Throws what a command
 * throws.
 */
export async function describeFedTarget(connection: RedisConnection): Promise<FedTarget> {
  const { family, version, databases } = await describeServer(connection);
  const reply = await connection.attempt(['COMMAND']);
  if (reply instanceof ReplyError || !Array.isArray(reply)) return { family, version, databases };
  return { family, version, databases, knownCommands: readCommandNames(reply) };
}

/**
 * Upper case. Servers from 7.0 on list the subcommands of a container, as `XGROUP|CREATE`: they
 * become `XGROUP CREATE`; of older ones the container alone is known.
 */
export function readCommandNames(reply: readonly Reply[]): Set<string> {
  const names = new Set<string>();
  for (const entry of reply) {
    if (!Array.isArray(entry)) continue;
    const name = nameOf(entry[0]);
    names.add(name);
    const subcommands = entry[9];
    if (!Array.isArray(subcommands)) continue;
    for (const subcommand of subcommands) {
      if (Array.isArray(subcommand)) names.add(nameOf(subcommand[0]).replace('|', ' '));
    }
  }
  return names;
}

function nameOf(reply: Reply | undefined): string {
  return replyText(reply).toUpperCase();
}
