import { availableParallelism } from 'node:os';
import { CodedError } from '../base/index.ts';
import { type EntrySelection, selectsEverything } from '../entries/index.ts';
import type { FedPiece, FedServer, FeedSource } from '../replay/index.ts';
import {
  type LineageLog,
  type Manifest,
  readLogStream,
  type Repository,
} from '../repository/index.ts';
import {
  exportBackup,
  type ExportOutput,
  type ExportReport,
  type ExportTtlPolicy,
  parseExportTarget,
} from '../restore/index.ts';
import type { NarrowedReplay } from './narrow/narrow-replay.ts';
import type { RewindPlan } from './rewind-point.ts';

const MAX_WORKERS = 8;

export type FeedSourceOptions = {
  /**
   * Expiries of the base: as recorded, also where they have passed (default), or none. Those in the
   * log are the feed's matter.
   */
  readonly ttl?: Extract<ExportTtlPolicy, 'recorded' | 'persist'>;
  /** Added to every recorded expiry of the base, milliseconds. */
  readonly shiftMs?: number;
  /** Only these of the base, without functions; a log cannot be selected from. */
  readonly selection?: EntrySelection;
  /** Instead: of the base and of the log what some keys need, and the functions. */
  readonly narrowed?: NarrowedReplay;
  /** Write what the fed server cannot hold exactly, as near as it can. */
  readonly allowInexact?: boolean;
  readonly workers?: number;
  readonly onProgress?: (progress: { readonly keys: number; readonly totalKeys: number }) => void;
  readonly onNotice?: (text: string) => void;
  /** What the base lost on its way, where that is allowed: one sentence, for each replica. */
  readonly onInexact?: (text: string) => void;
};

/** A backup, and the stretch of log behind it that leads to a state; null: the backup itself. */
export type FeedParts = {
  readonly repository: Repository;
  readonly base: Manifest;
  readonly log: {
    readonly lineage: LineageLog;
    readonly fromOffset: number;
    readonly toOffset: number;
    /** In force at `fromOffset`. */
    readonly startDatabase: number;
  } | null;
};

/** The parts of a plan; where the point is the base's own, the base alone. */
export function feedPartsOf(plan: RewindPlan): FeedParts {
  const { repository, base, log: lineage, fromOffset, startDatabase, point } = plan;
  const toOffset = point.offset;
  const log = { lineage, fromOffset, toOffset, startDatabase };
  return { repository, base, log: fromOffset === toOffset ? null : log };
}

/** What a feed hands to one replica to bring it to a plan's point. Make a new one for each. */
export function feedSourceOf(plan: RewindPlan, options: FeedSourceOptions = {}): FeedSource {
  return createFeedSource(feedPartsOf(plan), options);
}

/** As `feedSourceOf`, also for a backup without a log. It is read once. */
export function createFeedSource(parts: FeedParts, options: FeedSourceOptions = {}): FeedSource {
  const { repository, base, log } = parts;
  const { narrowed } = options;
  const selection = narrowed?.baseSelection ?? options.selection;
  const isWhole = narrowed !== undefined || selectsEverything(selection ?? {});
  return {
    writeBase: async (server, write, signal) => {
      const report = await exportBackup({
        repository,
        manifest: base,
        format: 'rdb',
        target: parseExportTarget(targetName(server)),
        output: asOutput(write),
        functions: isWhole ? 'include' : 'skip',
        ttl: options.ttl ?? 'recorded',
        ttlShiftMs: options.shiftMs ?? 0,
        ...(selection && { selection }),
        allowInexact: options.allowInexact ?? false,
        // The server takes it as fast as it is made, and this thread has little to do.
        workers: options.workers ?? Math.min(MAX_WORKERS, availableParallelism()),
        onProgress: ({ keys }) => options.onProgress?.({ keys, totalKeys: base.totals.keys }),
        ...(options.onNotice && { onNotice: options.onNotice }),
        signal,
      }).catch((error: unknown) => {
        // Why the replica is gone says more than that we stopped then.
        throw signal.aborted ? signal.reason : error;
      });
      checkExact(report, server, options.allowInexact === true);
      if (report.totals.inexact > 0) options.onInexact?.(inexactBase(report));
    },
    readStream: (signal) => narrowed?.readStream(signal) ?? readPieces(repository, log, signal),
    startDatabase: log?.startDatabase ?? 0,
    streamBytes: narrowed?.streamBytes ?? (log === null ? 0 : log.toOffset - log.fromOffset),
  };
}

async function* readPieces(
  repository: Repository,
  log: FeedParts['log'],
  signal: AbortSignal,
): AsyncGenerator<FedPiece> {
  if (log === null || log.toOffset === log.fromOffset) return;
  const { lineage, fromOffset, toOffset } = log;
  for await (const { bytes, atMs } of readLogStream(
    repository,
    lineage,
    fromOffset,
    toOffset,
    signal,
  )) {
    yield { bytes, atMs };
  }
}

/** Nobody sees an RDB that lacks something: what was left out would be lost without a word. */
function checkExact(report: ExportReport, server: FedServer, allowInexact: boolean): void {
  const { failed, inexact } = report.totals;
  const libraries = report.functions.failed;
  const wrong = allowInexact ? failed : failed + inexact;
  if (wrong + libraries === 0) return;
  const [first] = report.problems;
  const example = first === undefined ? '' : `, such as ${first.key}: ${first.message}`;
  const what = wrong > 0 ? `${wrong} keys${example}` : `${libraries} function libraries`;
  throw new CodedError(
    failed + libraries > 0 ? 'VALUE_UNREPRESENTABLE' : 'REPLAY_INEXACT',
    `Cannot hand the backup ${report.backup} to ${server.family} ${server.version}: ` +
      `it cannot hold ${what}`,
    first === undefined ? {} : { key: first.key },
  );
}

function inexactBase({ totals, problems }: ExportReport): string {
  const [first] = problems;
  const example = first === undefined ? '' : `, such as ${first.key}: ${first.message}`;
  return `${totals.inexact} keys of the base are not as they were${example}`;
}

/** As `exportBackup` takes it: the figures of a version without what follows them. */
function targetName({ family, version }: FedServer): string {
  const figures = /^\d+\.\d+(\.\d+)?/.exec(version)?.[0] ?? version;
  return `${family}-${figures}`;
}

function asOutput(write: (bytes: Uint8Array) => Promise<void>): ExportOutput {
  return { write, commit: async () => {}, abort: async () => {} };
}
