import { infoNumber, parseInfo, type RedisConnection } from '../../redis/index.ts';
import { replyText } from '../../resp/index.ts';

/** What a server counts of commands that failed, since its start. */
export type ReplayErrors = {
  /** Errors towards its master, which no replayed stream may cause. null: it does not count. */
  readonly unexpected: number | null;
  /** All errors, of ordinary clients too. null: it does not count (before 6.2). */
  readonly total: number | null;
  /** By the first word of the error: `ERR`, `WRONGTYPE`. */
  readonly byError: Readonly<Record<string, number>>;
  /** By command, lower case, those that failed or were refused. Unknown ones are in none. */
  readonly byCommand: Readonly<Record<string, number>>;
};

/** Asks for the error counters of INFO. Throws what a command throws. */
export async function readReplayErrors(connection: RedisConnection): Promise<ReplayErrors> {
  const stats = parseInfo(replyText(await connection.command(['INFO', 'stats'])));
  const errors = parseInfo(replyText(await connection.command(['INFO', 'errorstats'])));
  const commands = parseInfo(replyText(await connection.command(['INFO', 'commandstats'])));
  const byError: Record<string, number> = {};
  for (const [name, text] of Object.entries(errors)) {
    if (name.startsWith('errorstat_')) byError[name.slice(10)] = counted(text, 'count');
  }
  const byCommand: Record<string, number> = {};
  for (const [name, text] of Object.entries(commands)) {
    const failed = counted(text, 'failed_calls') + counted(text, 'rejected_calls');
    if (failed > 0) byCommand[name.replace('cmdstat_', '').replace('|', ' ')] = failed;
  }
  return {
    unexpected: infoNumber(stats, 'unexpected_error_replies'),
    total: infoNumber(stats, 'total_error_replies'),
    byError,
    byCommand,
  };
}

/** What was counted between two readings. */
export function errorsSince(before: ReplayErrors, after: ReplayErrors): ReplayErrors {
  return {
    unexpected: minus(after.unexpected, before.unexpected),
    total: minus(after.total, before.total),
    byError: difference(after.byError, before.byError),
    byCommand: difference(after.byCommand, before.byCommand),
  };
}

/**
 * The errors that servers before 6.2 only write into their log: "… is sending an error to its
 * master: '…' after processing the command '…'".
 */
export function errorsInLog(log: string): { readonly command: string; readonly error: string }[] {
  const line = /sending an error to its [\w-]+: '(.*)' after processing the command '(.*)'/;
  return log.split('\n').flatMap((text) => {
    const match = line.exec(text);
    if (match === null) return [];
    const [, error = '', command = ''] = match;
    // It goes on with the arguments, which are nobody's business.
    const unknown = /^unknown command [`']([^`']*)[`']/.exec(error)?.[1];
    if (unknown !== undefined) return [{ command: unknown, error: 'unknown command' }];
    return [{ command, error }];
  });
}

function counted(text: string, name: string): number {
  return Number(new RegExp(`(?:^|,)${name}=(\\d+)`).exec(text)?.[1] ?? 0);
}

function minus(after: number | null, before: number | null): number | null {
  return after === null ? null : after - (before ?? 0);
}

function difference(
  after: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): Record<string, number> {
  const more = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]);
  return Object.fromEntries(more.filter(([, count]) => Number(count) > 0));
}
