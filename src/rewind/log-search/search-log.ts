import type { LineageLog, LogMark, Repository, ShardLog } from '../../repository/index.ts';
import type { LogEvent, LoggedGap } from './log-event.ts';
import { type LogFilter, WantedCommands } from './log-filter.ts';
import { searchLineage, type SearchWindow } from './search-lineage.ts';

export type LogSearch = {
  readonly repository: Repository;
  /** As `readShardLogs` gives them. */
  readonly logs: readonly ShardLog[];
  readonly filter: LogFilter;
  /** Unix milliseconds, both included; absent: from the beginning, to the end. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  readonly signal?: AbortSignal;
};

/** A mark and where it is. */
export type FoundMark = {
  readonly kind: 'mark';
  readonly mark: LogMark;
  readonly shard: string;
  readonly lineage: string;
  readonly isOrphan: boolean;
};

/**
 * The wanted commands of a log in the order of time, and the gaps between them whatever is wanted.
 * Reads block by block and holds one block per shard. The codes of reading a repository.
 */
export async function* searchLog(search: LogSearch): AsyncGenerator<LogEvent> {
  const window = windowOf(search);
  const wanted = new WantedCommands(search.filter);
  const shards = search.logs.map((log) => searchShard(search, log, wanted, window));
  yield* inTimeOrder(shards);
}

/** Marks of the window, by the directories of the segments alone, with the gaps between them. */
export function searchMarks(
  search: Omit<LogSearch, 'repository' | 'signal'>,
): (FoundMark | LoggedGap)[] {
  const window = windowOf(search);
  const { databases, commands } = search.filter;
  const found: (FoundMark | LoggedGap)[] = [];
  for (const { lineages } of search.logs) {
    for (const [index, lineage] of lineages.entries()) {
      found.push(...gapsBefore(lineages[index - 1], lineage, window), ...holesIn(lineage, window));
      for (const mark of lineage.marks) {
        const isIn = mark.ms >= window.sinceMs && mark.ms <= window.untilMs;
        const isThere =
          databases === undefined || mark.kind !== 'FLUSHDB' || databases.includes(mark.database);
        const isKind = commands === undefined || commands.includes(mark.kind);
        if (isIn && isThere && isKind) found.push(foundMark(lineage, mark));
      }
    }
  }
  return found.toSorted((a, b) => timeOfFound(a) - timeOfFound(b));
}

function foundMark({ record, orphanFrom }: LineageLog, mark: LogMark): FoundMark {
  const isOrphan = orphanFrom !== null && mark.endOffset > orphanFrom;
  return { kind: 'mark', mark, shard: record.shard, lineage: record.lineage, isOrphan };
}

function timeOfFound(found: FoundMark | LoggedGap): number {
  return found.kind === 'mark' ? found.mark.ms : found.fromMs;
}

function windowOf({ sinceMs = -Infinity, untilMs = Infinity }: Partial<LogSearch>): SearchWindow {
  return { sinceMs, untilMs };
}

async function* searchShard(
  { repository, signal }: LogSearch,
  { lineages }: ShardLog,
  wanted: WantedCommands,
  window: SearchWindow,
): AsyncGenerator<LogEvent> {
  for (const [index, lineage] of lineages.entries()) {
    yield* gapsBefore(lineages[index - 1], lineage, window);
    const holes = holesIn(lineage, window);
    for await (const command of searchLineage(repository, lineage, wanted, window, signal)) {
      while (holes.length > 0 && holes[0].toMs <= command.atMs) yield holes.shift() as LoggedGap;
      yield command;
    }
    yield* holes;
  }
}

/** What is missing between two lineages of a shard. */
function gapsBefore(
  before: LineageLog | undefined,
  { record, runs }: LineageLog,
  window: SearchWindow,
): LoggedGap[] {
  const { gap, lineage, shard } = record;
  const fromMs = gap?.endMs ?? before?.lastMs ?? null;
  if (fromMs === null) return [];
  const toMs = Math.max(runs[0]?.firstMs ?? Date.parse(record.startedAt), fromMs);
  const why = gap?.why.replace(/\.$/, '') ?? 'recording ended and began anew';
  return inWindow({ kind: 'gap', shard, lineage, fromMs, toMs, why }, window);
}

/** What is missing inside a lineage. */
function holesIn({ record, runs }: LineageLog, window: SearchWindow): LoggedGap[] {
  const { lineage, shard } = record;
  return runs.slice(1).flatMap(({ startOffset, firstMs }, index) => {
    const { endOffset, lastMs: fromMs } = runs[index];
    const why = `a segment is missing or damaged: offsets ${endOffset} to ${startOffset}`;
    return inWindow({ kind: 'gap', shard, lineage, fromMs, toMs: firstMs, why }, window);
  });
}

function inWindow(gap: LoggedGap, { sinceMs, untilMs }: SearchWindow): LoggedGap[] {
  return gap.toMs >= sinceMs && gap.fromMs <= untilMs ? [gap] : [];
}

/** Merges what shards tell; each tells in the order of time. */
async function* inTimeOrder(shards: readonly AsyncGenerator<LogEvent>[]): AsyncGenerator<LogEvent> {
  const heads = await Promise.all(shards.map(async (shard) => await shard.next()));
  try {
    for (;;) {
      let first = -1;
      for (const [index, head] of heads.entries()) {
        if (head.done === true) continue;
        const best = heads[first];
        if (best === undefined || best.done === true) first = index;
        else if (timeOf(head.value) < timeOf(best.value)) first = index;
      }
      const head = heads[first];
      if (head === undefined || head.done === true) return;
      yield head.value;
      heads[first] = await shards[first].next();
    }
  } finally {
    await Promise.all(shards.map(async (shard) => await shard.return(undefined)));
  }
}

function timeOf(event: LogEvent): number {
  return event.kind === 'gap' ? event.fromMs : event.atMs;
}
