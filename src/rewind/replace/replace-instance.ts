import { randomBytes } from 'node:crypto';
import { backUp } from '../../backup/index.ts';
import { CodedError, isCoded } from '../../base/index.ts';
import {
  connect,
  describeServer,
  displayAddress,
  infoFlag,
  type RedisConnection,
  Secret,
  type ServerIdentity,
} from '../../redis/index.ts';
import {
  describeFedTarget,
  errorsSince,
  type FedReplica,
  type FedTarget,
  Feed,
  readReplayErrors,
  type ReplayErrors,
} from '../../replay/index.ts';
import { UNDO_LABEL } from '../../repository/index.ts';
import { ReplyError, replyText } from '../../resp/index.ts';
import { createFeedSource } from '../plan-feed-source.ts';
import { inexactCommands, judgeErrors } from '../replay-judgement.ts';
import { isHalfDone, judgeReplacedTarget, unsuitable } from './check-target.ts';
import { localAddressToward, peerAddress } from '../feed-host.ts';
import { rehearse } from './rehearse.ts';
import type { ReplaceProgress, ReplaceReport, ReplaceRequest } from './replace-requests.ts';
import { TargetRole } from './target-role.ts';

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
    // Not ended by the signal: the target must still be told what it is to be.
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
  readonly #inexactBase = new Set<string>();
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
    const fed = await describeFedTarget(this.#conn);
    const inexact = await this.#rehearse(fed);
    const keysBefore = sum(identity.keys ?? {});
    const before = { keys: keysBefore, undo: null as string | null };
    const nothing = { keys: {}, keysNow: {}, baseBytes: 0, streamBytes: 0, commands: 0 };
    if (this.#request.dryRun === true) return this.#tell({ ...nothing, before, inexact });
    before.undo = await this.#keepUndo(identity, keysBefore);
    const feed = await this.#listen(fed);
    try {
      const done = await this.#feed(feed, keysBefore);
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

  /** What the target cannot take is found while it still has its own data. */
  async #rehearse(target: FedTarget): Promise<string[]> {
    const { parts, server, allowInexact = false, workers, signal } = this.#request;
    return await rehearse({
      parts,
      target,
      server,
      allowInexact,
      ...(workers !== undefined && { workers }),
      onStep: (text) => this.#report({ text }),
      onProgress: (bytes, expectedBytes) => this.#report({ bytes, expectedBytes }),
      ...(signal && { signal }),
    });
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
    this.#report({ phase: 'undo', text: 'Backing the target up first', bytes: 0 });
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

  async #listen(fed: FedTarget): Promise<Feed> {
    const { parts, server, atMs, ttl, allowInexact, feedHost, feedPort, control, workers } =
      this.#request;
    const host = feedHost ?? (await localAddressToward(peerAddress(this.#conn.peer)));
    const password = await this.#agreePassword();
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
          onInexact: (text) => void this.#inexactBase.add(text),
        });
      },
      server: fed,
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

  async #feed(feed: Feed, keysBefore: number) {
    const { signal } = this.#request;
    const errorsBefore = await readReplayErrors(this.#conn);
    let isErased = false;
    try {
      await this.#role.set('replica-read-only', 'yes');
      // Parsed as it comes, not from a file afterwards: nothing is there to be lost meanwhile.
      if (keysBefore === 0) await this.#role.set('repl-diskless-load', 'on-empty-db');
      await this.#reach(feed);
      isErased = true;
      this.#mayLoad.resolve();
      const replica = await this.#untilFed(feed);
      const text = 'Reading the error counters';
      this.#report({ phase: 'finishing', text, bytes: 0, expectedBytes: null });
      const judged = await this.#judge(replica, errorsBefore);
      const keys = await this.#countKeys();
      signal?.throwIfAborted();
      await this.#role.promote();
      await this.#role.restoreSettings();
      const keysNow = await this.#countKeys();
      await this.#warnOfFiles();
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
    const { feedHost, reachMs = REACH_MS, signal } = this.#request;
    const address = { ...feed.address, ...(feedHost !== undefined && { host: feedHost }) };
    const shown = `${address.host}:${address.port}`;
    const text = `Waiting for the target to reach ${shown}`;
    this.#report({ phase: 'reaching', text, bytes: 0, expectedBytes: null });
    await this.#role.follow(address);
    if (await TargetRole.until(() => this.#isHere, reachMs, signal)) return;
    throw new CodedError(
      'FEED_REFUSED',
      `The target did not reach us at ${shown} within ${reachMs / 1000} s`,
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
    const ofLog = [...inexactCommands(replica.translation), ...judgeErrors(errors)];
    const judged = [...this.#inexactBase, ...ofLog];
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

  /** What the server would find when it started again now. */
  async #warnOfFiles(): Promise<void> {
    const { info } = await describeServer(this.#conn);
    const isRewriting =
      infoFlag(info, 'aof_rewrite_in_progress') || infoFlag(info, 'aof_rewrite_scheduled');
    if (infoFlag(info, 'aof_enabled') && isRewriting) {
      this.#notice(
        'The target rewrites its append-only file now (INFO persistence): if it were restarted ' +
          'before that is done, its old data would be back',
      );
    } else if (Number(info['rdb_changes_since_last_save'] ?? 0) > 0) {
      this.#notice(
        "The target's dump file does not have the new data yet: BGSAVE, or its own settings, " +
          'will write it',
      );
    }
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
      await this.#role.restoreSettings(isErased ? ['replica-read-only'] : []);
      state = isErased
        ? 'the target is left read-only, a replica of nobody: repeat the restore, or take what it ' +
          'has by REPLICAOF NO ONE'
        : 'the target is as it was';
    } catch {
      state = isErased
        ? 'the target cannot be told what to be: it may hold anything between its old data and ' +
          'the new'
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
