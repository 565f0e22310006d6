import { CodedError } from '../base/index.ts';
import { CommandReader } from '../commands/index.ts';
import {
  cutAtOrBefore,
  type LineageLog,
  type LogCut,
  type LogMark,
  readLogStream,
  type RestorableRange,
  restorableRanges,
} from '../repository/index.ts';
import type { SourceHistory } from './history.ts';
import {
  type ParsedBefore,
  type ParsedInstant,
  parseBefore,
  parseInstant,
} from './instants/parse-instant.ts';
import { resolveTime } from './instants/resolve-time.ts';
import { findLastCommand, type LastCommand } from './last-command.ts';
import type { RewindPoint } from './rewind-point.ts';
import { unreachable } from './unreachable.ts';

/** What somebody asked for. */
export type WantedInstant = {
  /** `at` takes an instant, `before` a mark or `last:FLUSHALL`. */
  readonly kind: 'at' | 'before';
  readonly text: string;
  /** Which end of a stretch whose times are not known exactly. */
  readonly side?: 'earliest' | 'latest';
};

export type InstantSetting = {
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** Time zone of local times; the machine's where it is not said. */
  readonly zone?: string;
};

export type ResolvedInstant = {
  readonly point: RewindPoint;
  /** The newest command that the point includes and that is data; null: none near it. */
  readonly lastCommand: LastCommand | null;
  /** What has to be said aloud, one sentence without a period each. */
  readonly notes: readonly string[];
};

/** A place within one range, before it is a point. */
type Place = {
  readonly lineage: LineageLog;
  readonly range: RestorableRange;
  readonly offset: number;
  /** Null: that of its last byte. */
  readonly atMs: number | null;
  readonly uncertain: RewindPoint['uncertain'];
};

/**
 * The place in the log that an instant means. Always a cut: between commands, outside MULTI.
 * INSTANT_INVALID (its form), INSTANT_UNREACHABLE (naming what is reachable around it),
 * INSTANT_UNCERTAIN, MARK_NOT_FOUND, and the codes of reading the repository.
 */
export async function resolveInstant(
  history: SourceHistory,
  wanted: WantedInstant,
  setting: InstantSetting,
  signal?: AbortSignal,
): Promise<ResolvedInstant> {
  return await new Resolver(history, setting, wanted.side, signal).resolve(wanted);
}

class Resolver {
  readonly #history: SourceHistory;
  readonly #setting: InstantSetting;
  readonly #side: WantedInstant['side'];
  readonly #signal: AbortSignal | undefined;
  readonly #notes: string[] = [];
  readonly #ranges: readonly RestorableRange[];
  /** Of the one shard that has a log, the oldest first. */
  readonly #lineages: readonly LineageLog[];

  constructor(
    history: SourceHistory,
    setting: InstantSetting,
    side: WantedInstant['side'],
    signal: AbortSignal | undefined,
  ) {
    this.#history = history;
    this.#setting = setting;
    this.#side = side;
    this.#signal = signal;
    const { manifests, logs, source } = history;
    if (logs.length > 1) {
      const message = `Cannot rewind '${source.name}': it has several shards`;
      throw new CodedError('INSTANT_UNREACHABLE', message, {
        hint: 'Restore one of its backups instead',
      });
    }
    this.#lineages = logs[0]?.lineages ?? [];
    this.#ranges = restorableRanges(manifests, logs);
  }

  async resolve({ kind, text }: WantedInstant): Promise<ResolvedInstant> {
    const parsed = kind === 'at' ? parseInstant(text) : undefined;
    const before = parsed === undefined ? parseBefore(text) : undefined;
    if (this.#ranges.length === 0) throw this.#nothing();
    const place =
      parsed === undefined ? await this.#before(before as ParsedBefore) : await this.#at(parsed);
    const { lineage, range, offset } = place;
    const { repository } = this.#history;
    const isOrphan = lineage.orphanFrom !== null && offset > lineage.orphanFrom;
    if (isOrphan) {
      this.#notes.push(
        'This part of the log is an orphan: the master that came next knows nothing of it',
      );
    }
    const cut = await cutAtOrBefore(repository, lineage, { offset }, this.#signal);
    const lastMs = cut?.atMs ?? null;
    const point: RewindPoint = {
      shard: lineage.record.shard,
      lineage: lineage.record.lineage,
      offset,
      atMs: place.atMs ?? lastMs ?? range.fromMs,
      lastCommandMs: offset === range.fromOffset ? null : lastMs,
      uncertain: place.uncertain,
      isOrphan,
    };
    const from = Math.max(range.fromOffset, lineage.record.startOffset);
    const lastCommand = await findLastCommand(repository, lineage, from, offset, this.#signal);
    return { point, lastCommand, notes: this.#notes };
  }

  async #at(parsed: ParsedInstant): Promise<Place> {
    switch (parsed.kind) {
      case 'latest':
        return await this.#latest();
      case 'offset':
        return await this.#atOffset(this.#lineage(parsed.lineage), parsed.offset, null);
      case 'mark': {
        const { lineage, mark } = this.#mark(parsed.id);
        const offset = await this.#cutAfter(lineage, mark.endOffset);
        return await this.#atOffset(lineage, offset, mark.ms);
      }
      default: {
        const { ms, note } = resolveTime(parsed, this.#setting);
        if (note !== null) this.#notes.push(note);
        return await this.#atTime(ms);
      }
    }
  }

  /** The last cut before a mark; before the MULTI that it is in. */
  async #before(parsed: ParsedBefore): Promise<Place> {
    const { lineage, mark } =
      parsed.kind === 'mark' ? this.#mark(parsed.id) : this.#lastMark(parsed.mark);
    return await this.#atOffset(lineage, mark.startOffset, mark.ms);
  }

  async #latest(): Promise<Place> {
    const last = this.#ranges.at(-1) as RestorableRange;
    const lineage = this.#lineageOf(last);
    const newest = this.#lineages.at(-1) as LineageLog;
    if (newest !== lineage && newest.lastMs !== null) {
      this.#notes.push(
        `Recording went on in lineage ${newest.record.lineage}, which has no backup to begin with yet`,
      );
    }
    const orphanFrom = last.orphanFrom ?? last.toOffset;
    const place = await this.#atOffset(lineage, Math.max(last.fromOffset, orphanFrom), null);
    const newer = this.#history.manifests.findLast(
      ({ snapshotAt }) => Date.parse(snapshotAt) > last.toMs,
    );
    if (newer !== undefined) {
      this.#notes.push(`Backup ${newer.id} is newer than the end of the log`);
    }
    return place;
  }

  async #atOffset(lineage: LineageLog, wanted: number, atMs: number | null): Promise<Place> {
    const { repository } = this.#history;
    const cut = await cutAtOrBefore(repository, lineage, { offset: wanted }, this.#signal);
    const range = cut && this.#rangeAt(lineage, cut.offset);
    if (cut === undefined || range === undefined) {
      const what = `offset ${wanted} of lineage ${lineage.record.lineage}`;
      throw unreachable(what, { lineage, offset: wanted }, this.#ranges, this.#lineages);
    }
    return { lineage, range, offset: cut.offset, atMs, uncertain: spanOf(cut) };
  }

  async #atTime(atMs: number): Promise<Place> {
    const found: Place[] = [];
    for (const range of this.#ranges) {
      const place = await this.#inRange(range, atMs);
      if (place !== undefined) found.push(place);
    }
    const isOrphan = ({ range, offset }: Place): boolean =>
      range.orphanFrom !== null && offset > range.orphanFrom;
    const place = found.findLast((candidate) => !isOrphan(candidate)) ?? found.at(-1);
    if (place === undefined) {
      throw unreachable(new Date(atMs).toISOString(), { atMs }, this.#ranges, this.#lineages);
    }
    if (found.length > 1) {
      const ids = found.filter((other) => other !== place).map(({ range }) => range.lineage);
      this.#notes.push(
        `Lineage ${place.range.lineage} is meant; ${[...new Set(ids)].join(', ')} recorded at that time too`,
      );
    }
    return place;
  }

  async #inRange(range: RestorableRange, atMs: number): Promise<Place | undefined> {
    if (atMs < range.fromMs || atMs > range.toMs) return undefined;
    const lineage = this.#lineageOf(range);
    // What is missing behind a hole may have begun to arrive within the same millisecond.
    const endsInHole = lineage.runs.some(({ startOffset }) => startOffset > range.toOffset);
    if (endsInHole && atMs === range.toMs) return undefined;
    const { repository } = this.#history;
    const cut = await cutAtOrBefore(repository, lineage, { atMs }, this.#signal);
    // What the base has seen was executed by then, though it may have arrived here later.
    const offset = Math.max(cut?.offset ?? range.fromOffset, range.fromOffset);
    if (offset > range.toOffset) return undefined;
    const span = cut?.uncertain ?? null;
    if (span === null || span.endOffset <= offset) {
      return { lineage, range, offset, atMs, uncertain: null };
    }
    const ends = {
      // What arrived by then had been executed by then.
      earliest: offset,
      latest: Math.min(span.endOffset, range.toOffset),
    };
    if (this.#side === undefined) throw uncertain(atMs, range, ends, span.sinceMs);
    const place = await this.#atOffset(lineage, ends[this.#side], atMs);
    const arrival = await cutAtOrBefore(repository, lineage, { offset: ends.latest }, this.#signal);
    const toMs = arrival?.atMs ?? atMs;
    return { ...place, uncertain: { fromMs: span.sinceMs, toMs } };
  }

  /** The first cut at or behind an offset that a command ends at. */
  async #cutAfter(lineage: LineageLog, offset: number): Promise<number> {
    const { repository } = this.#history;
    const cut = await cutAtOrBefore(repository, lineage, { offset }, this.#signal);
    if (cut === undefined || cut.offset === offset) return offset;
    const reader = new CommandReader({ offset: cut.offset, database: cut.database });
    let found: number | undefined;
    const end = lineage.lastOffset;
    for await (const { bytes } of readLogStream(
      repository,
      lineage,
      cut.offset,
      end,
      this.#signal,
    )) {
      reader.push(bytes, 0, bytes.length, (command) => {
        const after = command.offset + (command.end - command.start);
        const closes = !command.inTransaction || command.name === 'EXEC';
        if (closes && after >= offset) found ??= after;
      });
      if (found !== undefined) return found;
    }
    return offset;
  }

  #mark(id: string): FoundMark {
    for (const lineage of this.#lineages) {
      const mark = lineage.marks.find((candidate) => candidate.id === id);
      if (mark !== undefined) return { lineage, mark };
    }
    throw new CodedError('MARK_NOT_FOUND', `Cannot find the mark '${id}' in the log`);
  }

  #lastMark(kind: LogMark['kind']): FoundMark {
    const all = this.#lineages.flatMap((lineage) =>
      lineage.marks.filter((mark) => mark.kind === kind).map((mark) => ({ lineage, mark })),
    );
    const isOrphan = ({ lineage, mark }: FoundMark): boolean =>
      lineage.orphanFrom !== null && mark.endOffset > lineage.orphanFrom;
    const known = all.filter((found) => !isOrphan(found));
    const last = (known.length > 0 ? known : all).toSorted((a, b) => a.mark.ms - b.mark.ms).at(-1);
    if (last !== undefined) return last;
    throw new CodedError('MARK_NOT_FOUND', `Cannot find any ${kind} in the log`);
  }

  /** The lineage of an id or of a unique beginning of one. */
  #lineage(prefix: string): LineageLog {
    const found = this.#lineages.filter(({ record }) => record.lineage.startsWith(prefix));
    if (found.length === 1) return found[0];
    const all = this.#lineages.map(({ record }) => record.lineage).join(', ');
    const what = found.length === 0 ? 'Cannot find' : 'Cannot choose';
    throw new CodedError(
      'INSTANT_UNREACHABLE',
      `${what} the lineage '${prefix}': there are ${all}`,
    );
  }

  #lineageOf(range: RestorableRange): LineageLog {
    const found = this.#lineages.find(({ record }) => record.lineage === range.lineage);
    if (found === undefined) throw new Error('a range of no lineage');
    return found;
  }

  #rangeAt(lineage: LineageLog, offset: number): RestorableRange | undefined {
    return this.#ranges.find(
      (range) =>
        range.lineage === lineage.record.lineage &&
        offset >= range.fromOffset &&
        offset <= range.toOffset,
    );
  }

  #nothing(): CodedError {
    const { source } = this.#history;
    const hasLog = this.#lineages.some(({ lastMs }) => lastMs !== null);
    const message = hasLog
      ? `Cannot rewind '${source.name}': its log has no backup to begin with`
      : `Cannot rewind '${source.name}': it has no log`;
    return new CodedError('INSTANT_UNREACHABLE', message, {
      hint: hasLog
        ? 'While "tidemark capture" runs it makes one'
        : 'Restore a backup; "tidemark capture" records what comes after it',
    });
  }
}

type FoundMark = { readonly lineage: LineageLog; readonly mark: LogMark };

function spanOf({ uncertain, atMs }: LogCut): RewindPoint['uncertain'] {
  return uncertain === null || atMs === null ? null : { fromMs: uncertain.sinceMs, toMs: atMs };
}

function uncertain(
  atMs: number,
  range: RestorableRange,
  ends: { readonly earliest: number; readonly latest: number },
  sinceMs: number,
): CodedError {
  const place = (offset: number): string => `offset:${range.lineage}:${offset}`;
  return new CodedError(
    'INSTANT_UNCERTAIN',
    `Cannot say which commands had run at ${new Date(atMs).toISOString()}: from ` +
      `${new Date(sinceMs).toISOString()} on they arrived late, after a reconnection`,
    {
      hint:
        `--earliest means ${place(ends.earliest)}, --latest ${place(ends.latest)}; any offset ` +
        'between them, or a mark, can be named too',
    },
  );
}
