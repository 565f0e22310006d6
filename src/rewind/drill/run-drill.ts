import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diffBackups, type Difference, type DiffReport } from '../../browse/index.ts';
import { CodedError, isCoded } from '../../base/index.ts';
import { type EntrySelection, formatText, selectsEverything } from '../../entries/index.ts';
import type { RedisAddress } from '../../redis/index.ts';
import { AofSandbox, findSandboxServer, inexact, type RecordedServer } from '../../replay/index.ts';
import {
  type Manifest,
  openRepository,
  type Repository,
  type Source,
} from '../../repository/index.ts';
import { DirectoryStorage } from '../../storage/index.ts';
import { backUpLoaded } from '../aof/back-up-loaded.ts';
import { writeAofFolder } from '../aof/write-aof-folder.ts';
import type { SandboxSettings } from '../fill-sandbox.ts';
import { materialise } from '../materialise.ts';
import { createFeedSource, type FeedParts, feedPartsOf } from '../plan-feed-source.ts';
import type { RewindPlan } from '../rewind-point.ts';
import { compareFunctions, type FunctionComparison } from './compare-functions.ts';

/** What is to be proven: a backup, or an instant of the log. */
export type DrillSubject =
  | {
      readonly kind: 'backup';
      readonly repository: Repository;
      readonly source: Source;
      readonly manifest: Manifest;
    }
  | { readonly kind: 'instant'; readonly plan: RewindPlan };

export type DrillRequest = {
  readonly subject: DrillSubject;
  readonly sandbox: Omit<SandboxSettings, 'url'>;
  /** Compare only these keys. */
  readonly selection?: EntrySelection;
  readonly workers?: number;
  readonly onProgress?: (text: string) => void;
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
};

/**
 * `backup-entries`: what a server held after it had loaded the backup is what the backup's own
 * entries say. `second-path`: what a server held after it had loaded the exported log is what
 * another held that had been fed the same log as a replica.
 */
export type DrillProof = 'backup-entries' | 'second-path';

export type DrillReport = {
  readonly kind: 'drill';
  /** Eight hexadecimal digits. */
  readonly task: string;
  /** Whether it proved what it should: `outcome` is "equal". */
  readonly ok: boolean;
  readonly outcome: 'equal' | 'different' | 'failed';
  readonly proof: DrillProof;
  /** The backup, or the base of the instant. */
  readonly backup: string;
  /** RFC 3339 in UTC: the instant that was restored. */
  readonly instant: string;
  readonly lineage: string | null;
  readonly offset: number | null;
  /** The server that was restored to: `redis 7.0.15`; null when it did not come to that. */
  readonly server: string | null;
  readonly startedAt: string;
  readonly durationMs: number;
  /** Keys that were compared, and how; null when it did not come to that. */
  readonly keys: DiffReport['totals'] | null;
  readonly functions: FunctionComparison | null;
  /** The first hundred. */
  readonly differences: readonly DrillDifference[];
  readonly error: { readonly code: string; readonly message: string } | null;
};

export type DrillDifference = {
  readonly change: Difference['kind'];
  readonly db: number;
  readonly key: string;
};

/** What tests change: they damage what was restored, to see that it is found. */
export type DrillTuning = { readonly whenLoaded?: (address: RedisAddress) => Promise<void> };

const MAX_DIFFERENCES = 100;
const USUAL_DATABASES = 16;

/**
 * Restores into a sandbox and compares every key there with what should be: its value digest and
 * its expiry. Never throws for what went wrong with the restore: that is what the report is for;
 * USAGE, INTERRUPTED and SANDBOX_UNAVAILABLE are thrown, as nothing was tried then. Keeps nothing.
 */
export async function runDrill(
  request: DrillRequest,
  tuning: DrillTuning = {},
): Promise<DrillReport> {
  return await new Drill(request, tuning).run();
}

class Drill {
  readonly #request: DrillRequest;
  readonly #tuning: DrillTuning;
  readonly #parts: FeedParts;
  readonly #recordedFrom: RecordedServer;
  #server: string | null = null;

  constructor(request: DrillRequest, tuning: DrillTuning) {
    this.#request = request;
    this.#tuning = tuning;
    const { subject } = request;
    if (subject.kind === 'backup') {
      const { repository, manifest } = subject;
      this.#parts = { repository, base: manifest, log: null };
      this.#recordedFrom = manifest.shards[0]?.server ?? { family: 'unknown', version: null };
    } else {
      this.#parts = feedPartsOf(subject.plan);
      this.#recordedFrom = subject.plan.server;
    }
  }

  async run(): Promise<DrillReport> {
    const { clock } = this.#parts.repository;
    const startedAtMs = clock.now();
    const begunAt = clock.monotonic();
    const facts = () => ({
      ...this.#facts(),
      startedAt: new Date(startedAtMs).toISOString(),
      durationMs: Math.round(clock.monotonic() - begunAt),
    });
    try {
      const compared = await this.#compare();
      return { ...facts(), ok: compared.outcome === 'equal', ...compared, error: null };
    } catch (error) {
      if (!isCoded(error) || this.#request.signal?.aborted === true) throw error;
      if (isCoded(error, 'USAGE', 'INTERRUPTED', 'SANDBOX_UNAVAILABLE')) throw error;
      const { code, message } = error;
      const nothing = { keys: null, functions: null, differences: [] };
      return { ...facts(), ok: false, ...nothing, outcome: 'failed', error: { code, message } };
    }
  }

  #facts() {
    const { base, log } = this.#parts;
    const { subject } = this.#request;
    const point = subject.kind === 'instant' ? subject.plan.point : null;
    return {
      kind: 'drill',
      task: randomBytes(4).toString('hex'),
      proof: log === null ? 'backup-entries' : 'second-path',
      backup: base.id,
      instant: new Date(this.#atMs).toISOString(),
      lineage: point?.lineage ?? null,
      offset: point?.offset ?? null,
      server: this.#server,
    } as const;
  }

  get #atMs(): number {
    const { subject } = this.#request;
    if (subject.kind === 'instant') return subject.plan.point.atMs;
    return Date.parse(subject.manifest.snapshotAt);
  }

  async #compare() {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-drill-'));
    try {
      const restored = await this.#restore(join(folder, 'restored'));
      await using expected = await this.#expected();
      this.#say('Comparing');
      const differences: DrillDifference[] = [];
      const { selection, workers, signal } = this.#request;
      const { totals } = await diffBackups({
        before: { ...expected, isComplete: true },
        after: { ...restored, isComplete: true },
        tempFolder: folder,
        ...(selection && { selection }),
        ...(workers !== undefined && { workers }),
        onDifferences: (some) => {
          for (const { kind, db, key } of some) {
            if (differences.length === MAX_DIFFERENCES) return;
            differences.push({ change: kind, db, key: formatText(key) });
          }
        },
        ...(signal && { signal }),
      });
      const wantsFunctions = selectsEverything(selection ?? {});
      const functions = wantsFunctions ? await compareFunctions(expected, restored, signal) : null;
      const count = totals.added + totals.removed + totals.changed + totals.ttlChanged;
      const isEqual = count === 0 && (functions?.different.length ?? 0) === 0;
      const outcome = isEqual ? ('equal' as const) : ('different' as const);
      return { outcome, keys: totals, functions, differences };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** What should be: the backup's own entries, or what a replica holds that was fed the log. */
  async #expected(): Promise<
    { readonly repository: Repository; readonly manifest: Manifest } & AsyncDisposable
  > {
    const { subject, sandbox, workers, onNotice, signal } = this.#request;
    if (subject.kind === 'backup') {
      return { ...subject, [Symbol.asyncDispose]: async () => {} };
    }
    this.#say('Feeding the log to a replica');
    const made = await materialise({
      plan: subject.plan,
      sandbox,
      ...(workers !== undefined && { workers }),
      ...(onNotice && { onNotice }),
      ...(signal && { signal }),
    });
    return { ...made, [Symbol.asyncDispose]: () => made.close() };
  }

  /** A server starts from the exported files, as after a restart, and is read back. */
  async #restore(folder: string): Promise<{ repository: Repository; manifest: Manifest }> {
    const { sandbox, workers, signal } = this.#request;
    const { checksMemory = true, parentFolder, server: given, path } = sandbox;
    const { base, log, repository: from } = this.#parts;
    const program = findSandboxServer(this.#recordedFrom, {
      ...(given !== undefined && { given }),
      path,
    });
    const { family, version } = program;
    if (Number.parseInt(version) < 7) {
      const message = `Cannot start ${family} ${version} from an AOF folder: it takes 7.0 or later`;
      throw new CodedError('SANDBOX_UNAVAILABLE', message);
    }
    this.#server = `${family} ${version}`;
    this.#say(`Starting ${this.#server} from what is stored`);
    const highest = Math.max(0, ...base.databases.map(({ db }) => db));
    const logBytes = log === null ? 0 : log.toOffset - log.fromOffset;
    await using loaded = await AofSandbox.load(program, {
      prepare: (dir) => this.#write(dir, { family, version }),
      databases: Math.max(USUAL_DATABASES, highest + 1, log?.lineage.record.databases ?? 0),
      ...(checksMemory && { expectedBytes: base.totals.rawBytes + logBytes }),
      ...(parentFolder !== undefined && { parentFolder }),
      ...(signal && { signal }),
    });
    if (loaded.failed.length > 0) throw inexact(program, loaded.failed);
    this.#say(`Reading ${this.#server} back`);
    const { clock, writerVersion } = from;
    const options = { mode: 'write', clock, writerVersion } as const;
    const repository = await openRepository(new DirectoryStorage(folder), options, signal);
    await loaded.release();
    await this.#tuning.whenLoaded?.(loaded.address);
    const { manifest } = await backUpLoaded(loaded, {
      repository,
      sourceName: 'drill',
      path: 'sandbox',
      server: this.#recordedFrom,
      atMs: this.#atMs,
      ...(workers !== undefined && { workers }),
      ...(signal && { signal }),
    });
    return { repository, manifest };
  }

  async #write(dir: string, server: Parameters<typeof writeAofFolder>[0]['server']): Promise<void> {
    const { workers, onNotice, signal } = this.#request;
    await writeAofFolder({
      source: createFeedSource(this.#parts, {
        ...(workers !== undefined && { workers }),
        ...(onNotice && { onNotice }),
      }),
      recordedFrom: this.#parts.log === null ? null : this.#recordedFrom,
      server,
      folder: join(dir, 'appendonlydir'),
      ...(signal && { signal }),
    });
  }

  #say(text: string): void {
    this.#request.onProgress?.(text);
  }
}
