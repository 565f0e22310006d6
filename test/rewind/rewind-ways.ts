import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAddress } from '../../src/redis/index.ts';
import { writeAofFolder } from '../../src/rewind/aof/write-aof-folder.ts';
import { feedPartsOf, feedSourceOf, materialise, replaceInstance } from '../../src/rewind/index.ts';
import { emptyServer, restoreTo } from '../restore/scene.ts';
import { diffFromTruth, type InstantTruth } from '../support/instant-truth.ts';
import { readLive } from '../support/live-reader.ts';
import type { Model } from '../support/model.ts';
import { serverProgram } from '../support/server-program.ts';
import { isAtLeast, type RunningServer, startServer } from '../support/servers.ts';
import { type Logged, planFor, rewindTo } from './rewind-to.ts';

/** An instant, and what a way back to it may use. */
export type WayRequest = {
  readonly logged: Logged;
  readonly truth: InstantTruth;
  /** Emptied or replaced; of the version of the source. */
  readonly target: RunningServer;
};

/** Brings an instant back; gives what is otherwise than in its truth. */
export type Way = (request: WayRequest) => Promise<string[]>;

/** Whether replicas learn how far a group has read: since Redis 7.4 and Valkey 8. */
function tellsEntriesRead({ binary }: RunningServer): boolean {
  return binary.family === 'valkey' ? isAtLeast(binary, 8) : isAtLeast(binary, 7, 4);
}

function diffStored({ truth, target }: WayRequest, model: Model): string[] {
  return diffFromTruth(truth, model, { entriesRead: tellsEntriesRead(target) });
}

/** What a live server has, where expiry goes on. */
async function diffServer({ truth, target }: WayRequest, server = target): Promise<string[]> {
  const model = await readLive(server.url);
  const entriesRead = tellsEntriesRead(target);
  return diffFromTruth(truth, model, { entriesRead, actualReadMs: Date.now() });
}

/** Sandbox, then the backup that is read of it: nothing has expired in it, all is compared. */
export const bySandbox: Way = async (request) => {
  const { logged, truth, target } = request;
  const sandbox = target.binary.name;
  return diffStored(request, (await rewindTo(logged, truth.atMs, { sandbox })).model);
};

/** The same, and restored to an empty server. */
export const byRestore: Way = async (request) => {
  const { logged, truth, target } = request;
  const { plan } = await planFor(logged, truth.atMs);
  const sandbox = { server: serverProgram(target.binary.name) };
  const state = await materialise({ plan, sandbox, workers: 1 });
  try {
    await emptyServer(target.url);
    await restoreTo(state, target.url);
    return await diffServer(request);
  } finally {
    await state.close();
  }
};

/** The target itself is fed. */
export const byReplacing: Way = async (request) => {
  const { logged, truth, target } = request;
  const { plan } = await planFor(logged, truth.atMs);
  await replaceInstance({
    parts: feedPartsOf(plan),
    server: plan.server,
    atMs: plan.point.atMs,
    target: parseAddress(target.url),
    undo: null,
    workers: 1,
  });
  return await diffServer(request);
};

/** Exported as an `appendonlydir` that a fresh server starts from. */
export const byAof: Way = async (request) => {
  const { logged, truth, target } = request;
  const { plan } = await planFor(logged, truth.atMs);
  const { family, version } = target.binary;
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-aof-'));
  try {
    await writeAofFolder({
      source: feedSourceOf(plan, { workers: 1 }),
      recordedFrom: plan.server,
      server: { family, version: version.join('.') },
      folder: join(dir, 'appendonlydir'),
    });
    await using server = await startServer(target.binary, { dir, config: { appendonly: 'yes' } });
    return await diffServer(request, server);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

/** Stored as a backup of the source, for good; what follows in the log is then replayed on it. */
export const byNewBackup: Way = async (request) => {
  const { logged, truth, target } = request;
  const { repository } = logged;
  const options = { sandbox: target.binary.name, into: { repository } };
  const made = await rewindTo(logged, truth.atMs, options);
  const again = await rewindTo(logged, truth.atMs, { sandbox: target.binary.name });
  const standsThere = again.plan.fromOffset === again.plan.point.offset;
  return [
    ...diffStored(request, made.model),
    ...diffStored(request, again.model),
    ...(standsThere ? [] : ['the new backup is not taken for a base']),
  ];
};

/** Some databases, some keys. */
export const bySelection: Way = async (request) => {
  const { logged, truth, target } = request;
  const selection = {
    databases: [0, 3],
    match: ['w:[hz]*', 'w:s*:?'].map((glob) => Buffer.from(glob)),
    exclude: [Buffer.from('*:3')],
  };
  const isWanted = (db: number, key: string): boolean =>
    (db === 0 || db === 3) && /^w:([hz]|s.*:.$)/s.test(key) && !key.endsWith(':3');
  const options = { sandbox: target.binary.name, selection };
  const { model, plan } = await rewindTo(logged, truth.atMs, options);
  const select = (all: Model): Model => {
    const keys = [...all.keys].filter(([, { db, key }]) => isWanted(db, key));
    return { ...all, keys: new Map(keys) };
  };
  // A backup that stands at the point itself is given whole.
  const isBase = plan.fromOffset === plan.point.offset;
  const found = isBase ? select(model) : model;
  return diffFromTruth({ ...truth, model: select(truth.model) }, found, {
    entriesRead: tellsEntriesRead(target),
    functions: false,
  });
};

export const WAYS = [
  'bySandbox',
  'bySelection',
  'byRestore',
  'byReplacing',
  'byAof',
  'byNewBackup',
] as const;

export type WayName = (typeof WAYS)[number];

/** The ways that this server knows; `byNewBackup` leaves a backup behind. */
export function waysOf(target: RunningServer): Readonly<Partial<Record<WayName, Way>>> {
  const ways = { bySandbox, bySelection, byRestore, byReplacing, byNewBackup };
  return isAtLeast(target.binary, 7) ? { ...ways, byAof } : ways;
}
