import { rm } from 'node:fs/promises';
import { backUp } from '../backup/index.ts';
import { CodedError, isCoded } from '../base/index.ts';
import type { EntrySelection } from '../entries/index.ts';
import {
  ensureSource,
  type LineageLog,
  type Manifest,
  openRepository,
  readInstanceRecord,
  type Repository,
  type Source,
} from '../repository/index.ts';
import { DirectoryStorage } from '../storage/index.ts';
import {
  chooseServer,
  type FilledSandbox,
  fillSandbox,
  type SandboxSettings,
} from './fill-sandbox.ts';
import { type NarrowedReplay, narrowReplay } from './narrow/narrow-replay.ts';
import type { RewindPlan } from './rewind-point.ts';
import { createTemporaryFolder } from './temporary-folder.ts';

export type MaterialiseProgress = {
  readonly phase: 'starting' | 'loading' | 'replaying' | 'reading' | 'finishing';
  /** A sentence for people. */
  readonly text: string;
  readonly bytes: number;
  /** What is expected; null where nobody knows. */
  readonly expectedBytes: number | null;
  readonly keys: number;
};

export type MaterialiseRequest = {
  readonly plan: RewindPlan;
  readonly sandbox: SandboxSettings;
  /** Only this is read from the sandbox; a backup that stands at the point is given whole. */
  readonly selection?: EntrySelection;
  /**
   * Replay only what the selected keys can depend on, where that is known to be little and to give
   * the same. Default true.
   */
  readonly narrows?: boolean;
  /**
   * Where the backup goes: the repository of the plan, opened for writing (a synthetic backup, for
   * good), or a folder of the caller's that stays. Absent: a temporary folder, removed by `close`.
   */
  readonly into?: { readonly repository: Repository } | { readonly folder: string };
  /** Of the backup. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly allowInexact?: boolean;
  readonly workers?: number;
  readonly onProgress?: (progress: MaterialiseProgress) => void;
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
};

/** A state of the log as an ordinary backup, which every reader takes. */
export type MaterialisedState = {
  readonly repository: Repository;
  /** In that repository; of a temporary one, a source with the name of the real one. */
  readonly source: Source;
  readonly manifest: Manifest;
  /** Something could not be replayed exactly, and that was allowed: one sentence each. */
  readonly inexact: readonly string[];
  /** Removes what is temporary. Idempotent. */
  close(): Promise<void>;
};

/**
 * Makes the state at a plan's point an ordinary backup: a sandbox server is fed base and log, and
 * read by the code that backs up any server. Where the point is the base's own and nothing new has
 * to be stored, that is the base itself, without a sandbox.
 *
 * Throws SANDBOX_UNAVAILABLE, SANDBOX_FAILED, REPLAY_INEXACT, VALUE_UNREPRESENTABLE, FEED_LOST,
 * the codes of reading the repository and of backing up, INTERRUPTED. Leaves nothing behind then.
 */
export async function materialise(request: MaterialiseRequest): Promise<MaterialisedState> {
  const { plan, into } = request;
  const { base, repository, source } = plan;
  if (plan.fromOffset === plan.point.offset && into === undefined) {
    return { repository, source, manifest: base, inexact: [], close: async () => {} };
  }
  try {
    if (into !== undefined && 'repository' in into) {
      const made = await make(request, into.repository, source);
      return { ...made, close: async () => {} };
    }
    return await makeInFolder(request, into?.folder);
  } catch (error) {
    if (request.signal?.aborted !== true || isCoded(error, 'INTERRUPTED')) throw error;
    throw new CodedError('INTERRUPTED', 'Interrupted while replaying the log', { cause: error });
  }
}

async function makeInFolder(
  request: MaterialiseRequest,
  kept: string | undefined,
): Promise<MaterialisedState> {
  const { plan, signal } = request;
  const folder = kept ?? (await createTemporaryFolder());
  const remove = async (): Promise<void> => await rm(folder, { recursive: true, force: true });
  try {
    const { clock, writerVersion } = plan.repository;
    const options = { mode: 'write', clock, writerVersion } as const;
    const repository = await openRepository(new DirectoryStorage(folder), options, signal);
    const { name, kind, labels, marks } = plan.source;
    const source = await ensureSource(repository, { name, kind, labels, marks }, signal);
    const made = await make(request, repository, source);
    return { ...made, close: kept === undefined ? remove : async () => {} };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function make(
  request: MaterialiseRequest,
  repository: Repository,
  source: Source,
): Promise<Omit<MaterialisedState, 'close'>> {
  const { plan, selection, labels, workers, onNotice, signal } = request;
  const report = (progress: Partial<MaterialiseProgress>): void => {
    last = { ...last, ...progress };
    request.onProgress?.(last);
  };
  let last: MaterialiseProgress = {
    phase: 'starting',
    text: 'Starting a sandbox',
    bytes: 0,
    expectedBytes: null,
    keys: 0,
  };
  report({});
  const narrowed = await narrow(request, report);
  await using filled = await fillSandbox({ ...request, narrowed, report });
  report({ phase: 'reading', text: 'Reading the sandbox', bytes: 0, expectedBytes: null, keys: 0 });
  const { manifest } = await backUp({
    repository,
    address: filled.address,
    mode: 'psync',
    // Until now nothing has expired in there: it is a replica, and is read as one.
    standIn: await standInOf(plan, filled.server, repository, source, signal),
    ...(selection && { selection }),
    ...(labels && { labels }),
    ...(workers !== undefined && { workers }),
    onProgress: ({ phase, receivedBytes, keys }) =>
      report({
        phase: phase === 'finishing' ? 'finishing' : 'reading',
        bytes: receivedBytes,
        keys,
      }),
    ...(onNotice && { onNotice }),
    ...(signal && { signal }),
  });
  return { repository, source, manifest, inexact: filled.inexact };
}

/** What of base and log is enough for the selected keys; null: all of it is replayed. */
async function narrow(
  { plan, sandbox, selection, narrows = true, onNotice, signal }: MaterialiseRequest,
  report: (progress: Partial<MaterialiseProgress>) => void,
): Promise<NarrowedReplay | null> {
  if (!narrows || selection === undefined) return null;
  // Nobody shall wait for the log only to hear that there is no server.
  if (sandbox.url === undefined) chooseServer(plan, sandbox);
  const expectedBytes = plan.streamBytes;
  const onProgress = (text: string, bytes: number): void => report({ text, bytes, expectedBytes });
  const { replay, because } = await narrowReplay({
    plan,
    selection,
    onProgress,
    ...(signal && { signal }),
  });
  report({ text: 'Starting a sandbox', bytes: 0, expectedBytes: null });
  if (because !== null) onNotice?.(`Everything is replayed: ${because}`);
  return replay;
}

/** What the backup says of itself: it stands for the source, at the instant. */
async function standInOf(
  plan: RewindPlan,
  sandbox: FilledSandbox['server'],
  repository: Repository,
  source: Source,
  signal: AbortSignal | undefined,
) {
  const { point, base, fromOffset, server, log } = plan;
  const { lineage, offset, shard } = point;
  const isOwn = repository.id === plan.repository.id;
  const baseShard = base.shards.find((facts) => facts.shard === shard);
  return {
    source,
    snapshotAtMs: point.atMs,
    topology: isOwn ? base.topology : null,
    instance: await instanceLines(plan, keepsScripts(sandbox), signal),
    shard: {
      shard,
      slots: baseShard?.slots ?? null,
      address: `log:${lineage}@${offset}`,
      role: 'file',
      server: { ...server, runId: baseShard?.server.runId ?? null },
      replication: { replid: replidAt(log, offset), offset },
      lineage,
      replayed: { base: base.id, fromOffset },
    },
  } as const;
}

/** Whether its dumps hold the bodies of cached scripts: servers before 7.0. */
function keepsScripts({ family, version }: FilledSandbox['server']): boolean {
  return family !== 'valkey' && Number.parseInt(version) < 7;
}

/** The base's instance record; what the sandbox's RDB holds comes anew. */
async function instanceLines(
  { repository, base, point }: RewindPlan,
  hasScripts: boolean,
  signal: AbortSignal | undefined,
): Promise<unknown[]> {
  const lines: unknown[] = [];
  for (const file of base.files) {
    if (file.kind !== 'instance' || file.shard !== point.shard) continue;
    for await (const line of readInstanceRecord(repository, file, signal)) {
      const { type } = line as { readonly type?: unknown };
      if (type !== 'function' && (type !== 'script' || !hasScripts)) lines.push(line);
    }
  }
  return lines;
}

/** The id that the history bore there. */
function replidAt({ replids, record }: LineageLog, offset: number): string {
  return replids.findLast((id) => id.offset <= offset)?.replid ?? record.replid;
}
