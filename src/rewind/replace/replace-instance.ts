import { randomBytes } from 'node:crypto';
import { backUp } from '../../backup/index.ts';
import { CodedError, isCoded, type RunControl } from '../../base/index.ts';
import {
  connect,
  describeServer,
  displayAddress,
  type RedisAddress,
  type RedisConnection,
  Secret,
  type ServerIdentity,
  type TlsOptions,
} from '../../redis/index.ts';
import {
  describeFedTarget,
  errorsSince,
  type FedReplica,
  Feed,
  readReplayErrors,
  type ReplayErrors,
} from '../../replay/index.ts';
import { type Repository, UNDO_LABEL } from '../../repository/index.ts';
import { ReplyError, replyText } from '../../resp/index.ts';
import type { TtlPolicy } from '../../restore/index.ts';
import { createFeedSource, type FeedParts } from '../plan-feed-source.ts';
import { inexactCommands, judgeErrors } from '../replay-judgement.ts';
import { isHalfDone, judgeReplacedTarget, unsuitable } from './check-target.ts';
import { localAddressToward, peerAddress } from '../feed-host.ts';
import { TargetRole } from './target-role.ts';

export type ReplaceProgress = {
  readonly phase: 'checking' | 'undo' | 'reaching' | 'loading' | 'replaying' | 'finishing';
  /** A sentence for people. */
  readonly text: string;
  readonly bytes: number;
  readonly expectedBytes: number | null;
};

export type ReplaceRequest = {
  readonly parts: FeedParts;
  /** The server that wrote the log, or that the backup was read of. */
  readonly server: { readonly family: string; readonly version: string | null };
  /** The instant that is restored, Unix milliseconds: remaining times count from it. */
  readonly atMs: number;
  readonly target: RedisAddress;
  readonly tls?: TlsOptions;
  /** Default `absolute`. */
  readonly ttl?: TtlPolicy;
  /**
   * Where all that the target holds is backed up before, as a backup of a source of its own; null:
   * nowhere, it is lost. An empty target needs none.
   */
  readonly undo: { readonly repository: Repository; readonly sourceName: string } | null;
  readonly allowInexact?: boolean;
  /** The address of this machine that the target reaches; by default the one we reach it from. */
  readonly feedHost?: string;
  readonly feedPort?: number;
  /** Checks everything that can be checked without a change, and stops there. */
  readonly dryRun?: boolean;
  readonly control?: RunControl;
  readonly workers?: number;
  readonly onProgress?: (progress: ReplaceProgress) => void;
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
};

export type ReplaceReport = {
  /** Without secrets. */
  readonly target: string;
  readonly dryRun: boolean;
  readonly startedAt: string;
  readonly durationMs: number;
  /** Of the target before, and the backup that has them. */
  readonly before: { readonly keys: number; readonly undo: string | null };
  /** Keys by database as the instant had them, those that have expired since included. */
  readonly keys: Readonly<Record<number, number>>;
  /** Keys by database after the promotion. */
  readonly keysNow: Readonly<Record<number, number>>;
  readonly baseBytes: number;
  readonly streamBytes: number;
  readonly commands: number;
  /** What could not be replayed exactly, and was allowed; one sentence each. */
  readonly inexact: readonly string[];
  readonly notices: readonly string[];
};

/** From REPLICAOF until the target is here. */
const REACH_MS = 15_000;
const LONG_REPLY_MS = 60_000;

/**
 * Replaces everything that a running server holds, functions included, by another state: it becomes
 * our replica, loads the base at its own speed, replays the log, and is made a master again at the
 * cut. Nothing of its data is touched before it has reached us as a replica. After a failure from
 * then on it stays a read-only replica of nobody, which the message says; before, it is the master
 * that it was.
 *
 * TARGET_UNSUITABLE, FEED_REFUSED (it does not reach us), REPLAY_INEXACT, TARGET_LOST, FEED_LOST,
 * the codes of the repository and of a backup (the undo point), INTERRUPTED.
 */
export async function replaceInstance(request: ReplaceRequest): Promise<ReplaceReport> {
  const { target, tls, signal } = request;
  const name = displayAddress({ ...target, user: null, database: null });
  if (target.sentinel !== undefined) {
    const hint = 'Name the server itself, and take it out of the care of its Sentinels';
    throw unsuitable(name, 'Sentinels watch it, and would undo the change of its role', hint);
  }
  const conn = await connect(target, {
    lostCode: 'TARGET_LOST',
    commandTimeoutMs: LONG_REPLY_MS,
    ...(tls && { tls }),
    ...(signal && { signal }),
  });
  try {
    return await new Replacement(request, name, conn).run();
  } catch (error) {
    if (signal?.aborted !== true || isCoded(error, 'INTERRUPTED')) throw error;
    throw new CodedError('INTERRUPTED', 'The restore was interrupted', { cause: error });
  } finally {
    conn.close();
  }
}

class Replacement {
  readonly #request: ReplaceRequest;
  readonly #name: string;
  readonly #conn: RedisConnection;
  readonly #role: TargetRole;
  readonly #startedAtMs: number;
  readonly #begunAt: number;
  readonly #notices: string[] = [];
  /** The target waits for its base. */
  #isHere = false;
  /** Resolves when it may have it. */
  readonly #mayLoad = Promise.withResolvers<void>();
  #progress: ReplaceProgress = {
    phase: 'checking',
    text: 'Checking the target',
    bytes: 0,
    expectedBytes: null,
  };

  constructor(request: ReplaceRequest, name: string, conn: RedisConnection) {
    const { clock } = request.parts.repository;
    this.#request = request;
    this.#name = name;
    this.#conn = conn;
    this.#role = new TargetRole(conn);
    this.#startedAtMs = clock.now();
    this.#begunAt = clock.monotonic();
    this.#mayLoad.promise.catch(() => {});
  }

  async run(): Promise<ReplaceReport> {
    this.#report({});
    const identity = await describeServer(this.#conn);
    await this.#check(identity);
    const keysBefore = sum(identity.keys ?? {});
    const before = { keys: keysBefore, undo: null as string | null };
    const nothing = { keys: {}, keysNow: {}, baseBytes: 0, streamBytes: 0, commands: 0 };
    if (this.#request.dryRun === true) return this.#tell({ ...nothing, before, inexact: [] });
    before.undo = await this.#keepUndo(identity, keysBefore);
    const feed = await this.#listen();
    try {
      const done = await this.#feed(feed);
      return this.#tell({ ...done, before });
    } finally {
      await feed.close();
    }
  }

  async #check(identity: ServerIdentity): Promise<void> {
    const { base, log } = this.#request.parts;
    const reply = await this.#conn.attempt(['CLIENT', 'LIST']);
    const clients = reply instanceof ReplyError ? '' : replyText(reply);
    const names = [...clients.matchAll(/(?:^| )name=(\S+)/gm)].map(([, name]) => name);
    const highestDatabase = Math.max(0, ...base.databases.map(({ db }) => db));
    const databases = log?.lineage.record.databases ?? null;
    const data = { highestDatabase, databases, rawBytes: base.totals.rawBytes };
    const { refusal, warnings } = judgeReplacedTarget(identity, data, names);
    if (refusal !== null) throw unsuitable(this.#name, refusal.why, refusal.hint);
    for (const text of warnings) this.#notice(text);
    if (isHalfDone(identity)) this.#notice('The target is left of an attempt that failed before');
  }

  async #keepUndo(identity: ServerIdentity, keys: number): Promise<string | null> {
    const { undo, target, tls, workers, signal } = this.#request;
    if (undo === null) return null;
    if (keys === 0) {
      this.#notice('The target is empty: there is nothing to keep');
      return null;
    }
    if (isHalfDone(identity)) {
      this.#notice('No undo point was made: what the target holds is half of something');
      return null;
    }
    this.#report({ phase: 'undo', text: 'Backing the target up first' });
    const { id } = await backUp({
      repository: undo.repository,
      address: { ...target, database: null },
      ...(tls && { tls }),
      from: 'master',
      sourceName: undo.sourceName,
      adopt: true,
      labels: { [UNDO_LABEL]: 'replace-instance' },
      ...(workers !== undefined && { workers }),
      onProgress: ({ receivedBytes, expectedBytes }) =>
        this.#report({ bytes: receivedBytes, expectedBytes }),
      ...(signal && { signal }),
    });
    this.#notice(`What the target held is backup ${id} of source '${undo.sourceName}'`);
    return id;
  }

  async #listen(): Promise<Feed> {
    const { parts, server, atMs, ttl, allowInexact, feedHost, feedPort, control, workers } =
      this.#request;
    const host = feedHost ?? (await localAddressToward(peerAddress(this.#conn.peer)));
    const isLocal = /^(127\.|::1$|localhost$)/.test(host);
    const password = isLocal ? undefined : await this.#agreePassword();
    const shiftMs = ttl === 'remaining' ? this.#startedAtMs - atMs : 0;
    const persists = ttl === 'persist';
    return await Feed.listen({
      source: async () => {
        this.#isHere = true;
        await this.#mayLoad.promise;
        return createFeedSource(parts, {
          ttl: persists ? 'persist' : 'recorded',
          shiftMs,
          allowInexact: allowInexact ?? false,
          ...(workers !== undefined && { workers }),
          onNotice: (text) => this.#notice(text),
        });
      },
      server: await describeFedTarget(this.#conn),
      recordedFrom: server,
      shiftMs,
      ttl: persists ? 'persist' : 'absolute',
      allowInexact: allowInexact ?? false,
      ...(password && { password }),
      ...(control && { control }),
      host: feedHost === undefined ? host : '0.0.0.0',
      ...(feedPort !== undefined && { port: feedPort }),
      clock: parts.repository.clock,
    });
  }

  /** What replicas must say to be served: others who reach the port shall not have the data. */
  async #agreePassword(): Promise<Secret | undefined> {
    const secret = randomBytes(24).toString('base64url');
    if (await this.#role.set('masterauth', secret)) return new Secret(secret);
    this.#notice('The target takes no password for its master: whoever reaches the feed is served');
    return undefined;
  }

  async #feed(feed: Feed) {
    const { signal } = this.#request;
    const errorsBefore = await readReplayErrors(this.#conn);
    let isErased = false;
    try {
      await this.#reach(feed);
      isErased = true;
      await this.#role.set('replica-read-only', 'yes');
      this.#mayLoad.resolve();
      const replica = await this.#untilFed(feed);
      this.#report({ phase: 'finishing', text: 'Comparing the error counters' });
      const judged = await this.#judge(replica, errorsBefore);
      const keys = await this.#countKeys();
      signal?.throwIfAborted();
      await this.#role.promote();
      await this.#role.restoreSettings();
      const keysNow = await this.#countKeys();
      const { baseBytes, streamBytes, translation } = replica;
      const { commands } = translation;
      return { keys, keysNow, baseBytes, streamBytes, commands, inexact: judged };
    } catch (error) {
      this.#mayLoad.reject(error);
      throw await this.#undoRole(error, isErased);
    }
  }

  /** Has the target connect to us; until then, and a moment longer, its data is untouched. */
  async #reach(feed: Feed): Promise<void> {
    const { feedHost, signal } = this.#request;
    const address = { ...feed.address, ...(feedHost !== undefined && { host: feedHost }) };
    const shown = `${address.host}:${address.port}`;
    this.#report({ phase: 'reaching', text: `Waiting for the target to reach ${shown}` });
    await this.#role.follow(address);
    if (await TargetRole.until(() => this.#isHere, REACH_MS, signal)) return;
    throw new CodedError(
      'FEED_REFUSED',
      `The target did not reach us at ${shown} within ${REACH_MS / 1000} s`,
      {
        hint:
          'Name with --feed-host an address of this machine that it can connect to; with ' +
          '"tls-replication yes" it cannot',
      },
    );
  }

  async #untilFed(feed: Feed): Promise<FedReplica> {
    const timer = setInterval(() => {
      const [at] = feed.progress;
      if (at === undefined) return;
      const isBase = at.phase === 'base';
      this.#report({
        phase: isBase ? 'loading' : 'replaying',
        text: isBase ? 'Loading the base' : 'Replaying the log',
        bytes: isBase ? at.baseBytes : at.streamBytes,
        expectedBytes: isBase ? null : at.streamTotal,
      });
    }, 200);
    try {
      return await feed.fed(this.#request.signal);
    } finally {
      clearInterval(timer);
    }
  }

  async #judge(replica: FedReplica, before: ReplayErrors): Promise<string[]> {
    const errors = errorsSince(before, await readReplayErrors(this.#conn));
    const judged = [...inexactCommands(replica.translation), ...judgeErrors(errors)];
    const keys = await this.#countKeys();
    const { base, log } = this.#request.parts;
    if (log === null) {
      for (const { db, keys: expected } of base.databases) {
        const found = keys[db] ?? 0;
        if (found !== expected) judged.push(`database ${db}: ${found} of ${expected} keys`);
      }
    }
    if (judged.length === 0 || this.#request.allowInexact === true) return judged;
    const message = `Cannot call the replay exact: ${judged.join('; ')}`;
    throw new CodedError('REPLAY_INEXACT', message);
  }

  async #countKeys(): Promise<Record<number, number>> {
    const { keys } = await describeServer(this.#conn);
    return { ...keys };
  }

  /** The error with what became of the target. */
  async #undoRole(error: unknown, isErased: boolean): Promise<unknown> {
    let state: string;
    try {
      if (isErased) await this.#role.strand();
      else await this.#role.promote();
      if (!isErased) await this.#role.restoreSettings();
      state = isErased
        ? 'the target is left read-only, a replica of nobody: repeat the restore, or take what it ' +
          'has by REPLICAOF NO ONE'
        : 'the target is as it was';
    } catch {
      state = isErased
        ? 'the target cannot be reached: when it comes back it may hold anything between its old ' +
          'data and the new'
        : 'the target cannot be reached: see that it is a master (REPLICAOF NO ONE)';
    }
    if (!(error instanceof CodedError)) return error;
    return new CodedError(error.code, `${error.message}; ${state}`, {
      hint: error.hint,
      cause: error,
    });
  }

  #tell(
    found: Omit<ReplaceReport, 'target' | 'dryRun' | 'startedAt' | 'durationMs' | 'notices'>,
  ): ReplaceReport {
    const { clock } = this.#request.parts.repository;
    return {
      target: this.#name,
      dryRun: this.#request.dryRun === true,
      startedAt: new Date(this.#startedAtMs).toISOString(),
      durationMs: clock.monotonic() - this.#begunAt,
      ...found,
      notices: this.#notices,
    };
  }

  #report(change: Partial<ReplaceProgress>): void {
    this.#progress = { ...this.#progress, ...change };
    this.#request.onProgress?.(this.#progress);
  }

  #notice(text: string): void {
    this.#notices.push(text);
    this.#request.onNotice?.(text);
  }
}

function sum(counts: Readonly<Record<number, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
