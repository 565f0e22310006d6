import { readShardLogs, type Repository, type Source } from '../../repository/index.ts';
import { type LogEvent, searchLog } from '../../rewind/index.ts';
import type { Invocation } from '../invocation.ts';
import { defined } from '../options/defined.ts';
import { eventDocument, EventLines } from './log-report.ts';

/** More changes of one key than this nobody reads; `tidemark log` prints any number. */
const MAX_EVENTS = 10_000;

export type HistoryRequest = {
  readonly repository: Repository;
  readonly source: Source;
  readonly key: Buffer;
  readonly databases?: readonly number[];
  /** Unix milliseconds, both included. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
};

/** What the log says about one key. */
export type KeyHistory = {
  readonly events: readonly object[];
  /** There are more, which are left out. */
  readonly isCut: boolean;
};

/** Prints, unless it is for a document, the recorded commands that touch a key. */
export async function findHistory(
  { printer, terminal, json, color }: Invocation,
  { repository, source, key, databases, sinceMs, untilMs }: HistoryRequest,
): Promise<KeyHistory> {
  const { signal } = terminal;
  const logs = await readShardLogs(repository, source.id, signal);
  const filter = { keys: [key], ...defined({ databases }) };
  const search = { repository, logs, filter, signal, ...defined({ sinceMs, untilMs }) };
  const lines = new EventLines(logs.length > 1, color);
  const events: LogEvent[] = [];
  let isCut = false;
  if (!json) await printer.line('  recorded commands:');
  for await (const event of searchLog(search)) {
    if (events.length === MAX_EVENTS) {
      isCut = true;
      break;
    }
    events.push(event);
    if (!json) await printer.write(lines.format(event));
  }
  if (!json) {
    const more = isCut ? '  … and more: tidemark log --match shows them\n' : '';
    await printer.write(events.length === 0 ? '    none\n' : more);
  }
  return { events: events.map(eventDocument), isCut };
}
