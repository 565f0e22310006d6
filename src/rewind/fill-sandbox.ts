import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { type RedisAddress, Secret } from '../redis/index.ts';
import { Feed, findSandboxServer, Sandbox, type SandboxServer } from '../replay/index.ts';
import { localAddressToward } from './feed-host.ts';
import type { MaterialiseProgress } from './materialise.ts';
import type { NarrowedReplay } from './narrow/narrow-replay.ts';
import { feedSourceOf } from './plan-feed-source.ts';
import { inexactCommands, refusedCommands } from './replay-judgement.ts';
import type { RewindPlan } from './rewind-point.ts';

/** Which server holds a state while it is read. */
export type SandboxSettings = {
  /** The program; by default the one on `path` that fits the source best. */
  readonly server?: string;
  /** Where programs are looked for: the variable PATH. */
  readonly path?: string | undefined;
  /** An empty server of somebody's instead of a child of ours. */
  readonly url?: RedisAddress;
  /** Default true: refuse what will not fit into memory. */
  readonly checksMemory?: boolean;
  /** Default: the system's folder for temporary files. */
  readonly parentFolder?: string;
};

export type FillRequest = {
  readonly plan: RewindPlan;
  readonly sandbox: SandboxSettings;
  /** Only what some keys need; null: everything. */
  readonly narrowed?: NarrowedReplay | null;
  readonly allowInexact?: boolean;
  readonly workers?: number;
  readonly onNotice?: (text: string) => void;
  readonly report: (progress: Partial<MaterialiseProgress>) => void;
  readonly signal?: AbortSignal;
};

/** A sandbox at a plan's point: still our replica, so that nothing expires in it. */
export type FilledSandbox = AsyncDisposable & {
  readonly address: RedisAddress;
  readonly server: { readonly family: string; readonly version: string };
  /** One sentence each; only where that was allowed. */
  readonly inexact: readonly string[];
};

const LOOPBACK = '127.0.0.1';
const USUAL_DATABASES = 16;
const PROGRESS_MS = 200;
/** What even small data may grow by. */
const GROWTH_BYTES = 64 << 20;

/** Starts a sandbox and feeds it base and log. `materialise` says what is thrown. */
export async function fillSandbox(request: FillRequest): Promise<FilledSandbox> {
  const { plan, report, signal } = request;
  const sandbox = await openSandbox(request);
  let feed: Feed | undefined;
  const close = async (): Promise<void> => {
    // The sandbox first: a replica that loses its master does nothing but try again.
    await sandbox.close();
    await feed?.close();
  };
  try {
    const ofBase = new Set<string>();
    feed = await listen(request, sandbox, (text) => void ofBase.add(text));
    const listening = feed;
    const streamBytes = request.narrowed?.streamBytes ?? plan.streamBytes;
    const timer = setInterval(() => showProgress(listening, streamBytes, report), PROGRESS_MS);
    try {
      const { replica, failed } = await sandbox.fill(feed, signal);
      const { family, version } = sandbox.target;
      const ofLog = [...inexactCommands(replica.translation), ...refusedCommands(failed)];
      const inexact = [...ofBase, ...ofLog];
      const { address } = sandbox;
      return { address, server: { family, version }, inexact, [Symbol.asyncDispose]: close };
    } finally {
      clearInterval(timer);
    }
  } catch (error) {
    await close();
    throw error;
  }
}

async function openSandbox(request: FillRequest): Promise<Sandbox> {
  const { plan, sandbox, onNotice, signal } = request;
  const { url, checksMemory = true, parentFolder } = sandbox;
  const { base, log } = plan;
  const highest = Math.max(0, ...base.databases.map(({ db }) => db));
  const options = {
    databases: Math.max(log.record.databases ?? USUAL_DATABASES, highest + 1),
    ...(checksMemory && { expectedBytes: expectedBytes(request) }),
    ...(parentFolder !== undefined && { parentFolder }),
    ...(signal && { signal }),
  };
  if (url !== undefined) return await Sandbox.attach(url, options);
  const server = chooseServer(plan, sandbox);
  onNotice?.(`Sandbox: ${server.family} ${server.version} (${server.why})`);
  return await Sandbox.start(server, options);
}

/** A log adds at most what it says; a long one says mostly the same again. */
function expectedBytes({ plan, narrowed }: FillRequest): number {
  const baseBytes = narrowed?.baseBytes ?? plan.base.totals.rawBytes;
  const streamBytes = narrowed?.streamBytes ?? plan.streamBytes;
  return baseBytes + Math.min(streamBytes, Math.max(baseBytes, GROWTH_BYTES));
}

/** The program of a child, which must exist: SANDBOX_UNAVAILABLE. */
export function chooseServer({ server }: RewindPlan, sandbox: SandboxSettings): SandboxServer {
  const { server: given, path } = sandbox;
  return findSandboxServer(server, { ...(given !== undefined && { given }), path });
}

async function listen(
  request: FillRequest,
  sandbox: Sandbox,
  onInexact: (text: string) => void,
): Promise<Feed> {
  const { plan, narrowed, allowInexact = false, workers, onNotice } = request;
  const { url } = request.sandbox;
  const host = url === undefined ? LOOPBACK : await hostToward(url);
  return await Feed.listen({
    source: () =>
      feedSourceOf(plan, {
        allowInexact,
        onInexact,
        ...(narrowed && { narrowed }),
        ...(workers !== undefined && { workers }),
        ...(onNotice && { onNotice }),
      }),
    server: sandbox.target,
    recordedFrom: plan.server,
    allowInexact,
    host,
    // Others who reach the port shall not have the data.
    password: new Secret(randomBytes(24).toString('base64url')),
    clock: plan.repository.clock,
  });
}

/** Where somebody's server finds us. */
async function hostToward({ host, path }: RedisAddress): Promise<string> {
  if (path !== null) return LOOPBACK;
  const { address } = await lookup(host).catch(() => ({ address: host }));
  return await localAddressToward(address);
}

function showProgress(feed: Feed, streamBytes: number, report: FillRequest['report']) {
  const [at] = feed.progress;
  if (at === undefined) return;
  if (at.phase === 'base') {
    const text = 'Loading the base into the sandbox';
    report({ phase: 'loading', text, bytes: at.baseBytes, expectedBytes: null });
  } else {
    const text = 'Replaying the log';
    report({ phase: 'replaying', text, bytes: at.streamBytes, expectedBytes: streamBytes });
  }
}
