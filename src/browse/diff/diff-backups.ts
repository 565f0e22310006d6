import { availableParallelism, tmpdir } from 'node:os';
import type { EntrySelection } from '../../entries/index.ts';
import { EVERYTHING, type Manifest } from '../../repository/index.ts';
import { CountedReads, type ReadCost } from '../counted-reads.ts';
import { type DiffSide, type Unit, unitsOf } from './block-units.ts';
import { comparePartition } from './compare-partition.ts';
import type { Difference } from './difference.ts';
import {
  type DatabaseDiff,
  type DiffCounts,
  DifferenceTally,
  type PrefixDiff,
} from './difference-tally.ts';
import { DigestPool } from './digest-pool.ts';
import { SideDigester } from './digest-side.ts';
import { selectsWholeDatabases, SharedData } from './shared-data.ts';
import { Spill, type SpillFile, UnnamedFile } from './spill.ts';

export type DiffProgress = {
  readonly phase: 'reading' | 'comparing';
  /** Stored bytes of both backups that have been dealt with. */
  readonly bytesDone: number;
  readonly bytes: number;
};

export type DiffRequest = {
  readonly before: DiffSide;
  readonly after: DiffSide;
  readonly selection?: EntrySelection;
  /** How many parts of a key, between colons, make the prefix it is counted under; default 1. */
  readonly prefixDepth?: number;
  /** Lines of at most so many bytes come with their differences; none by default. */
  readonly lineBytes?: number;
  /** For temporary files, which hold keys, digests and (with `lineBytes`) values. */
  readonly tempFolder?: string;
  readonly workers?: number;
  readonly onProgress?: (progress: DiffProgress) => void;
  /** Told of all differences, in an order without meaning; awaited. */
  readonly onDifferences?: (some: readonly Difference[]) => Promise<void> | void;
  readonly signal?: AbortSignal;
};

export type DiffReport = {
  readonly totals: DiffCounts;
  readonly databases: readonly DatabaseDiff[];
  /** Differences by prefix, those with the most first. */
  readonly prefixes: readonly PrefixDiff[];
  /** Differences under further prefixes. */
  readonly otherPrefixes: number;
  readonly read: ReadCost;
  /** Stored bytes that both backups have in common and nobody had to read. */
  readonly skippedBytes: number;
  /** Bytes that went to temporary files. */
  readonly spilledBytes: number;
  /** What keeps the result from being the whole truth. */
  readonly notices: readonly string[];
};

/** What tests change: the figures that decide about disk, passes and collisions. */
export type DiffTuning = {
  readonly hashMask?: number;
  readonly memoryBytes?: number;
  readonly passBytes?: number;
  readonly partitions?: number;
  readonly spillFile?: (folder: string) => SpillFile;
};

/** Each takes some 100 MiB, and half a GiB is to be enough. */
const MAX_WORKERS = 3;
/** Records of one side that stay in memory. */
const MEMORY_BYTES = 16 << 20;
const PARTITION_BYTES = 8 << 20;
const MAX_PARTITIONS = 512;
/** What a record is expected to take; where keys are longer, partitions are read in passes. */
const RECORD_BYTES = 96;
const TOLD_AT_ONCE = 1000;

/**
 * Compares two backups key by key: by value digest and expiry. Both are read once, apart from what
 * they share byte by byte; records of the keys are partitioned by hash, in temporary files when
 * they are many, and compared partition by partition. Memory does not grow with the backups.
 * Throws what reading throws, STORAGE_FULL and STORAGE_FAILED for the temporary files.
 */
export async function diffBackups(
  request: DiffRequest,
  tuning: DiffTuning = {},
): Promise<DiffReport> {
  const { selection = {}, prefixDepth = 1, lineBytes = 0, signal } = request;
  const { hashMask = 0xffffffff, memoryBytes = MEMORY_BYTES } = tuning;
  const tempFolder = request.tempFolder ?? tmpdir();
  const workers = request.workers ?? Math.min(MAX_WORKERS, availableParallelism());
  const partitions = tuning.partitions ?? choosePartitions(request.before.manifest);
  const before = counted(request.before);
  const after = counted(request.after);
  const tally = new DifferenceTally(prefixDepth);
  const newFile = tuning.spillFile ?? ((folder: string) => new UnnamedFile(folder));
  const spills = [0, 1].map(() => new Spill(partitions, newFile(tempFolder), memoryBytes));
  const [spillBefore, spillAfter] = spills;
  const pool = new DigestPool(workers, { selection, partitions, hashMask, lineBytes });
  try {
    const shared = new SharedData(tally);
    await digestSides(request, [before, after], shared, spills, pool, workers * 2 + 1);
    await pool.close();
    for (let partition = 0; partition < partitions; partition++) {
      const onEqual = (db: number): void => tally.equal(db);
      const found = comparePartition(spillBefore, spillAfter, partition, onEqual, tuning.passBytes);
      await tell(request, tally, found);
      for (const spill of spills) spill.forget(partition);
      signal?.throwIfAborted();
    }
    return {
      totals: tally.totals,
      databases: tally.databases,
      prefixes: tally.prefixes,
      otherPrefixes: tally.uncounted,
      read: addCosts(before.repository.storage.cost, after.repository.storage.cost),
      skippedBytes: shared.skippedBytes,
      spilledBytes: spillBefore.spilledBytes + spillAfter.spilledBytes,
      notices: noticesOf(request),
    };
  } finally {
    await pool.close();
    for (const spill of spills) spill.close();
  }
}

/** Reads what has to be read of both backups, the first before the second. */
async function digestSides(
  request: DiffRequest,
  counted: readonly [DiffSide, DiffSide],
  shared: SharedData,
  spills: readonly Spill[],
  pool: DigestPool,
  atOnce: number,
): Promise<void> {
  const { selection = {}, signal, onProgress } = request;
  const bytes = storedBytes(request.before.manifest) + storedBytes(request.after.manifest);
  let bytesRead = 0;
  const tellProgress = (more: number): void => {
    bytesRead += more;
    const bytesDone = Math.min(bytes, bytesRead + shared.skippedBytes);
    onProgress?.({ phase: 'reading', bytesDone, bytes });
  };
  const maySkip = selectsWholeDatabases(selection);
  let sides = counted;
  if (maySkip) {
    sides = await shared.withoutSharedFiles(...counted, selection, signal);
    await shared.remember(sides[1], selection, signal);
  }
  for (const [i, side] of sides.entries()) {
    const skips = (unit: Unit): boolean =>
      maySkip && (i === 0 ? shared.skipsBefore(unit) : shared.skipsAfter(unit));
    const options = { pool, spill: spills[i], atOnce, onRead: tellProgress, signal };
    const digester = new SideDigester(options);
    for await (const unit of unitsOf(side, selection, signal)) {
      if (!skips(unit)) await digester.add(unit);
    }
    await digester.finish();
  }
  onProgress?.({ phase: 'comparing', bytesDone: bytes, bytes });
}

async function tell(
  request: DiffRequest,
  tally: DifferenceTally,
  found: AsyncIterable<Difference>,
): Promise<void> {
  let waiting: Difference[] = [];
  for await (const difference of found) {
    tally.add(difference);
    if (request.onDifferences === undefined) continue;
    waiting.push(difference);
    if (waiting.length < TOLD_AT_ONCE) continue;
    await request.onDifferences(waiting);
    request.signal?.throwIfAborted();
    waiting = [];
  }
  if (waiting.length > 0) await request.onDifferences?.(waiting);
}

type CountedSide = DiffSide & { readonly repository: { readonly storage: CountedReads } };

function counted(side: DiffSide): CountedSide {
  const { repository } = side;
  const storage = new CountedReads(repository.storage);
  return { ...side, repository: { ...repository, storage } };
}

function addCosts(a: ReadCost, b: ReadCost): ReadCost {
  return { requests: a.requests + b.requests, bytes: a.bytes + b.bytes };
}

function choosePartitions({ totals }: Manifest): number {
  const wanted = Math.ceil((totals.keys * RECORD_BYTES) / PARTITION_BYTES);
  return Math.max(1, Math.min(MAX_PARTITIONS, wanted));
}

function storedBytes(manifest: Manifest): number {
  return manifest.totals.storedBytes;
}

/** Keys that one side never looked for are differences of the selections, not of the data. */
function noticesOf({ before, after }: DiffRequest): string[] {
  const notices: string[] = [];
  const selections = [before, after].map(({ manifest, isComplete }) =>
    JSON.stringify(isComplete === true ? EVERYTHING : manifest.selection),
  );
  if (selections[0] !== selections[1]) {
    notices.push('The two backups were made with different selections of keys');
  }
  for (const { manifest } of [before, after]) {
    if (manifest.consistency === 'fuzzy') {
      notices.push(`${manifest.id} shows no single instant: it was read while keys changed`);
    }
  }
  return notices;
}
