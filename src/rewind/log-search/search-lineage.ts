import {
  commandFacts,
  CommandReader,
  readRelayed,
  type StreamCommand,
} from '../../commands/index.ts';
import {
  cutAtOrBefore,
  type LineageLog,
  readLogStream,
  type Repository,
  type SegmentRecord,
  type UncertainSpan,
} from '../../repository/index.ts';
import type { LoggedArgument, LoggedCommand } from './log-event.ts';
import type { WantedCommands } from './log-filter.ts';

/** What is kept of one argument, and of how many: enough to show, whatever a command is. */
const KEPT_BYTES = 4096;
const KEPT_ARGUMENTS = 256;

/** How deep relays are looked into. */
const MAX_RELAYS = 4;

/** Unix milliseconds, both included. */
export type SearchWindow = { readonly sinceMs: number; readonly untilMs: number };

/**
 * The wanted commands of one lineage that arrived in the window, or may have run in it. Reads the
 * segments of the window that hold commands, from the last cut before it on.
 */
export async function* searchLineage(
  repository: Repository,
  lineage: LineageLog,
  wanted: WantedCommands,
  window: SearchWindow,
  signal?: AbortSignal,
): AsyncGenerator<LoggedCommand> {
  const search = new LineageSearch(lineage, wanted, window);
  for (const segments of stretchesOf(lineage, wanted, window)) {
    const [{ startOffset, endOffset, database, firstMs }] = segments;
    const toOffset = segments[segments.length - 1].endOffset;
    let state = { offset: startOffset, database };
    if (firstMs < window.sinceMs) {
      const before = { atMs: window.sinceMs - 1 };
      const cut = await cutAtOrBefore(repository, lineage, before, signal);
      if (cut !== undefined && cut.offset > startOffset && cut.offset <= endOffset) state = cut;
    }
    search.begin(state);
    for await (const piece of readLogStream(repository, lineage, state.offset, toOffset, signal)) {
      if (search.isBehind(piece.atMs, piece.offset)) break;
      yield* search.read(piece.bytes, piece.atMs);
    }
  }
}

/** Runs of segments worth reading, none missing in between; each begins at a cut. */
function stretchesOf(
  lineage: LineageLog,
  wanted: WantedCommands,
  { sinceMs, untilMs }: SearchWindow,
): SegmentRecord[][] {
  const stretches: SegmentRecord[][] = [];
  const { includesControls } = wanted;
  for (const segment of lineage.segments) {
    if (segment.lastMs < sinceMs) continue;
    const reachesBack = segment.uncertain.some((span) => span.sinceMs <= untilMs);
    if (segment.firstMs > untilMs && !reachesBack) continue;
    if (segment.commands === 0 && !includesControls) continue;
    const stretch = stretches.at(-1);
    const last = stretch?.at(-1);
    if (stretch === undefined || last === undefined || segment.startOffset > last.endOffset) {
      stretches.push([segment]);
    } else {
      stretch.push(segment);
    }
  }
  return stretches;
}

class LineageSearch {
  readonly #lineage: LineageLog;
  readonly #wanted: WantedCommands;
  readonly #window: SearchWindow;
  readonly #marks: ReadonlyMap<number, string>;
  #reader = new CommandReader({ offset: 0, database: 0 });
  #transaction: number | null = null;

  constructor(lineage: LineageLog, wanted: WantedCommands, window: SearchWindow) {
    this.#lineage = lineage;
    this.#wanted = wanted;
    this.#window = window;
    this.#marks = new Map(lineage.marks.map(({ startOffset, id }) => [startOffset, id]));
  }

  begin(state: { readonly offset: number; readonly database: number }): void {
    this.#reader = new CommandReader(state);
    this.#transaction = null;
  }

  /** Whether nothing from this offset on can have run in the window. */
  isBehind(atMs: number, offset: number): boolean {
    const { untilMs } = this.#window;
    if (atMs <= untilMs) return false;
    return !this.#lineage.uncertain.some(
      ({ endOffset, sinceMs }) => endOffset > offset && sinceMs <= untilMs,
    );
  }

  read(bytes: Buffer, atMs: number): LoggedCommand[] {
    const found: LoggedCommand[] = [];
    const isEarly = atMs < this.#window.sinceMs;
    this.#reader.push(bytes, 0, bytes.length, (command) => {
      if (command.name === 'MULTI') this.#transaction = command.offset;
      if (!isEarly) this.#add(found, command, command.offset, endOf(command), atMs);
    });
    return found;
  }

  /** A relay counts as what it carries, all of it at the relay's place. */
  #add(
    found: LoggedCommand[],
    command: StreamCommand,
    offset: number,
    endOffset: number,
    atMs: number,
    depth = 0,
  ): void {
    if (command.name === 'RREPLAY' && depth < MAX_RELAYS) {
      const carried: LoggedCommand[] = [];
      const whole = readRelayed(command, (one) =>
        this.#add(carried, one, offset, endOffset, atMs, depth + 1),
      );
      if (whole) {
        found.push(...carried);
        return;
      }
    }
    const touches = this.#wanted.touchOf(command);
    if (touches === null) return;
    const sinceMs = this.#spanOf(endOffset)?.sinceMs ?? null;
    if (atMs > this.#window.untilMs && (sinceMs === null || sinceMs > this.#window.untilMs)) return;
    const { name, argc, database, inTransaction } = command;
    const { lineage, shard } = this.#lineage.record;
    const { orphanFrom } = this.#lineage;
    const isMark = (commandFacts(name)?.mark ?? null) !== null;
    found.push({
      kind: 'command',
      shard,
      lineage,
      offset,
      endOffset,
      atMs,
      sinceMs,
      database,
      name,
      argc,
      args: keptArguments(command),
      transaction: inTransaction ? (this.#transaction ?? offset) : null,
      mark: isMark ? (this.#marks.get(offset) ?? null) : null,
      touches,
      isOrphan: orphanFrom !== null && endOffset > orphanFrom,
    });
  }

  #spanOf(endOffset: number): UncertainSpan | undefined {
    return this.#lineage.uncertain.find(
      (span) => span.startOffset < endOffset && endOffset <= span.endOffset,
    );
  }
}

function endOf({ offset, start, end }: StreamCommand): number {
  return offset + (end - start);
}

function keptArguments(command: StreamCommand): LoggedArgument[] {
  const kept = Math.min(command.argc, KEPT_ARGUMENTS);
  return Array.from({ length: kept }, (_, index) => {
    const argument = command.arg(index);
    return { bytes: Buffer.from(argument.subarray(0, KEPT_BYTES)), size: argument.length };
  });
}
