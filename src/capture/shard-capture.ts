import { setTimeout as delay } from 'node:timers/promises';
import type { BackupReport } from '../backup/index.ts';
import { isCoded } from '../base/index.ts';
import type { LineageRecord } from '../repository/index.ts';
import { type LogLink, type LogStart, type NodeChoice, openLogLink } from '../sources/index.ts';
import { chooseAck } from './acknowledgement.ts';
import { CatchUp } from './catch-up.ts';
import { CaptureNode } from './capture-node.ts';
import type { CapturePhase, CaptureStatus } from './capture-status.ts';
import { type ControlFacts, ControlWatch } from './control-watch.ts';
import { FullBackups } from './full-backups.ts';
import { LogTail } from './log-tail.ts';
import { newestBaseMs, type NewestLog, readNewestLog } from './newest-log.ts';
import { SegmentStore } from './segment-store.ts';
import { ShardHistory } from './shard-history.ts';
import { type Progress, ShardReport } from './shard-report.ts';
import type { ShardSetup } from './shard-setup.ts';
import type { SpoolState } from './spool/settle-file.ts';
import { ShardSpool } from './spool/shard-spool.ts';

const TICK_MS = 1000;
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;
/** Received and not yet on its way to the disk: the socket is stopped above, goes on below. */
const HIGH_PENDING_BYTES = 32 << 20;
const LOW_PENDING_BYTES = 8 << 20;
/** The source must not wait longer for a disk that hangs: the link is given up. */
const LONGEST_PAUSE_MS = 10_000;
/** A full spool goes on below this part of its limit. */
const ROOM = 0.75;

/** Why we closed a link ourselves. */
type Closing = 'stop' | 'full' | 'disk' | null;

/**
 * The capture of one shard, from its recovery to its end: follows the stream over broken links,
 * failovers and full disks, and never says of a byte that it is safe before it is. Where the source
 * does not go on, that is a gap, recorded and told, never papered over.
 */
export class ShardCapture {
  readonly #setup: ShardSetup;
  readonly #node: CaptureNode;
  readonly #spool: ShardSpool;
  readonly #tail: LogTail;
  readonly #report: ShardReport;
  readonly #fulls: FullBackups;
  readonly #history: ShardHistory;
  #store: SegmentStore | null = null;
  #link: LogLink | null = null;
  #control: ControlWatch | null = null;
  #closing: Closing = null;
  #spoolFailure: Error | null = null;
  #durableOffset = 0;
  #storedOffset = 0;
  #isShuttingDown = false;
  #pausedAtMs: number | null = null;
  #startedAtMs = 0;
  #catchUp = new CatchUp();
  #bracket: ControlFacts['bracket'] = null;

  constructor(setup: ShardSetup) {
    this.#setup = setup;
    const { request } = setup;
    const { clock } = request.repository;
    this.#report = new ShardReport(setup);
    this.#history = new ShardHistory(setup.shard);
    this.#node = new CaptureNode(setup, (text) => this.#report.notice(text));
    this.#spool = new ShardSpool(setup.folder, clock, {
      onClosed: () => this.#store?.wake(),
      onDurable: (offset, lineage) => this.#onDurable(offset, lineage),
      onFailed: (error) => {
        this.#spoolFailure = error;
        this.#close('disk');
      },
    });
    this.#tail = new LogTail(this.#spool, clock, {
      segmentBytes: request.segmentBytes ?? 16 << 20,
      segmentMs: request.segmentMs ?? 60_000,
      idleSegmentMs: request.idleSegmentMs ?? 900_000,
    });
    this.#fulls = new FullBackups({
      gate: setup.gate,
      clock,
      everyMs: request.fullEveryMs === undefined ? 86_400_000 : request.fullEveryMs,
      request: () => this.#node.backupRequest((place) => this.#history.lineageOf(place)),
      isBase: ({ manifest }) => this.#history.holds(manifest),
      onDone: (report, isBase) => this.#onFull(report, isBase),
      onFailed: (error) => {
        this.#report.fullFailure = error.message;
        this.#report.notice(`A full backup failed and is tried again: ${error.message}`);
      },
    });
  }

  /** Runs until the request's signal; resolves when all is sealed, and stored as far as it goes. */
  async run(): Promise<CaptureStatus> {
    const { signal } = this.#setup.request;
    const stop = (): void => this.#close('stop');
    signal.addEventListener('abort', stop);
    const ticker = setInterval(() => this.#tick(), TICK_MS);
    try {
      await this.#begin();
      await this.#followAll();
      return await this.#end();
    } catch (error) {
      this.#phase('failed', (error as Error).message);
      throw error;
    } finally {
      clearInterval(ticker);
      signal.removeEventListener('abort', stop);
      this.#control?.close();
      await this.#report.end();
    }
  }

  async #begin(): Promise<void> {
    const { request, source, shard } = this.#setup;
    const { repository, signal } = request;
    const newest = await readNewestLog(repository, source.id, shard, signal);
    this.#store = new SegmentStore({
      repository,
      source: source.id,
      spool: this.#spool,
      last: newest.last,
      onStored: (offset, lineage) => {
        if (lineage !== this.#tail.lineage?.lineage) return;
        this.#storedOffset = offset;
        this.#report.tell(this.#progress());
      },
      onHole: () => this.#fulls.wantNow(),
      onNotice: (text) => this.#report.notice(text),
    });
    const recovered = await this.#recover();
    this.#store.start();
    const state = newer(recovered, newest.state);
    this.#fulls.start();
    if (state !== null) {
      await this.#scheduleFulls(state.lineage, newest);
      this.#restore(state);
      this.#storedOffset = newest.state?.offset ?? state.lineage.startOffset;
    } else if (newest.lineage !== null) {
      const { record, lastOffset, lastMs, replids } = newest.lineage;
      this.#history.leave({
        lineage: record,
        endOffset: lastOffset,
        endMs: lastMs ?? Date.parse(record.startedAt),
        replid: replids.at(-1)?.replid ?? record.replid,
      });
    }
  }

  async #scheduleFulls(lineage: LineageRecord, newest: NewestLog): Promise<void> {
    const { request, source } = this.#setup;
    const log = newest.lineage?.record.lineage === lineage.lineage ? newest.lineage : null;
    for (const { replid } of log?.replids ?? []) this.#history.rename(replid);
    const { repository, signal } = request;
    const baseMs = await newestBaseMs(repository, source.id, lineage, log, signal);
    if (baseMs === null) this.#fulls.wantNow();
    else this.#fulls.schedule(baseMs);
  }

  #restore(state: SpoolState): void {
    this.#history.resume(state.lineage, state.replid);
    this.#durableOffset = state.offset;
    this.#tail.restore(state);
    this.#store?.announce(state.lineage);
  }

  /** Link after link, until we are to stop. */
  async #followAll(): Promise<void> {
    const { signal, retryMs = FIRST_RETRY_MS } = this.#setup.request;
    for (let attempt = 0; !signal.aborted; ) {
      this.#closing = null;
      this.#startedAtMs = this.#now();
      this.#catchUp = new CatchUp();
      const from = this.#tail.offset;
      let error: Error | null = null;
      try {
        error = await this.#follow();
      } catch (failure) {
        error = failure as Error;
      }
      this.#control?.close();
      this.#control = null;
      this.#link = null;
      if (signal.aborted) return;
      if (error !== null && !isCoded(error)) throw error;
      await this.#settle(error);
      if (error === null) continue;
      if (this.#tail.offset > from) attempt = 0;
      const waitMs = Math.min(MAX_RETRY_MS, retryMs * 2 ** attempt++) * (0.75 + Math.random() / 2);
      this.#report.reconnects++;
      this.#phase('waiting', `${error.message}; trying again`);
      await delay(waitMs, undefined, { signal }).catch(() => {});
    }
  }

  /** One link, to its end. null: try again at once. */
  async #follow(): Promise<Error | null> {
    if (this.#spoolFailure !== null) return this.#spoolFailure;
    await this.#waitForRoom();
    this.#phase('connecting', 'Looking for the node to read');
    const node = await this.#node.find(this.#tail.resume);
    const leave = await this.#enterGate();
    try {
      return await this.#followNode(node, leave);
    } finally {
      leave();
    }
  }

  /** A server that would begin with a dump of everything has to be admitted to. */
  async #enterGate(): Promise<() => void> {
    if (this.#tail.resume !== null || !this.#node.isOld) return () => {};
    this.#phase('connecting', 'Waiting for other full backups');
    return await this.#setup.gate.enter();
  }

  async #followNode(node: NodeChoice, leave: () => void): Promise<Error | null> {
    const { request, captured } = this.#setup;
    this.#phase('connecting', `Connecting to ${this.#node.shown}`);
    const begun = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<Error>();
    const opened = await openLogLink(node.address, {
      resume: this.#tail.resume,
      onStart: (start) => {
        begun.resolve();
        this.#onStart(start);
      },
      onBytes: (buffer, start, end) => this.#onBytes(buffer, start, end),
      ackOffset: () => this.#ackOffset,
      onEnd: (error) => ended.resolve(error),
      ...this.#node.linkOptions,
    });
    if ('kind' in opened) {
      this.#leaveLineage();
      return null;
    }
    this.#link = opened;
    if (this.#closing !== null) opened.close();
    if (opened.rdb === null) leave();
    else {
      this.#phase('connecting', `Receiving the first dump of ${this.#node.shown}`);
      this.#fulls.take(opened.rdb, node, leave);
      await Promise.race([begun.promise, ended.promise]);
    }
    this.#control = new ControlWatch(node.address, {
      clock: request.repository.clock,
      onFacts: (facts) => this.#onFacts(facts),
      onForbidden: (text) => this.#report.notice(text),
      ...(captured.tls && { tls: captured.tls }),
    });
    this.#phase('recording', `Recording from ${this.#node.shown}`);
    const error = await ended.promise;
    if (isCoded(error, 'STREAM_CORRUPT')) this.#report.notice(`ALARM: ${error.message}`);
    return this.#closing === 'full' ? null : (this.#spoolFailure ?? error);
  }

  #onStart(start: LogStart): void {
    const { arrivals } = this.#tail;
    if (start.kind === 'continued') {
      if (start.replid !== this.#tail.replid) {
        this.#report.notice(`The history goes on as ${start.replid.slice(0, 8)}: a failover`);
      }
      this.#history.rename(start.replid);
      this.#tail.continue(start.replid);
      arrivals.beginLate(arrivals.lastMs);
      return;
    }
    this.#leaveLineage();
    const { offset, database, snapshotAtMs } = start;
    const lineage = this.#history.begin(start, this.#node.identity, this.#now());
    this.#durableOffset = offset;
    this.#storedOffset = offset;
    this.#tail.beginLineage(lineage, database);
    this.#tail.arrivals.beginLate(snapshotAtMs);
    this.#store?.announce(lineage);
    this.#fulls.wantNow();
    if (lineage.gap !== null) this.#report.gap(lineage.gap, lineage.lineage);
  }

  /** What is recorded is not gone on with. */
  #leaveLineage(): void {
    const { lineage, cut, arrivals, replid, resume } = this.#tail;
    if (lineage === null || resume === null) return;
    this.#history.leave({ lineage, endOffset: cut, endMs: arrivals.lastMs, replid });
    this.#tail.stop();
  }

  #onBytes(buffer: Buffer, start: number, end: number): void {
    const offset = this.#tail.offset;
    this.#tail.take(buffer, start, end);
    this.#report.took(offset, this.#tail.arrivals.lastMs);
    if (this.#tail.wasAsked) this.#answer();
    if (this.#spool.bytes >= this.#setup.spoolLimitBytes) this.#close('full');
    else if (this.#spool.pendingBytes > HIGH_PENDING_BYTES) this.#pause();
  }

  /** The disk is behind: the socket waits a little for it. */
  #pause(): void {
    if (this.#pausedAtMs !== null) return;
    const beganMs = this.#now();
    this.#pausedAtMs = beganMs;
    this.#link?.pause();
    const look = (): void => {
      if (this.#pausedAtMs !== beganMs) return;
      const isOver = this.#spool.pendingBytes < LOW_PENDING_BYTES;
      if (!isOver && this.#now() - beganMs < LONGEST_PAUSE_MS) return void setTimeout(look, 20);
      this.#pausedAtMs = null;
      if (!isOver) return this.#close('disk');
      this.#tail.arrivals.beginLate(beganMs);
      this.#link?.resume();
      void this.#control?.poll();
    };
    setTimeout(look, 20);
  }

  /** The source asked how much we have: as much as can be said, once it is durable. */
  #answer(): void {
    const link = this.#link;
    if (this.#setup.request.ack === 'none' && !this.#isShuttingDown) link?.acknowledge();
    else void this.#spool.sync().then(() => link?.acknowledge());
  }

  get #ackOffset(): number {
    const mode = this.#setup.request.ack ?? 'durable';
    const durableOffset = this.#durableOffset;
    const storedOffset = this.#storedOffset;
    const isShuttingDown = this.#isShuttingDown;
    return chooseAck({ mode, durableOffset, storedOffset, isShuttingDown });
  }

  #onDurable(offset: number, lineage: string): void {
    if (lineage !== this.#tail.lineage?.lineage) return;
    this.#durableOffset = offset;
    this.#report.durable(offset, this.#tail.offset);
    this.#report.tell(this.#progress());
  }

  #onFacts(facts: ControlFacts): void {
    const { arrivals, offset } = this.#tail;
    this.#report.sourceOffset = facts.sourceOffset;
    if (facts.sourceOffset !== null && arrivals.isLate) arrivals.endLate(facts.sourceOffset);
    if (facts.bracket !== null) this.#bracket = facts.bracket;
    if (this.#bracket !== null && this.#bracket.offset <= offset) {
      this.#spool.noteBracket(this.#bracket.ms, this.#bracket.offset);
      this.#bracket = null;
    }
    this.#report.failoverWaits(facts.isFailoverWaiting);
    this.#isShuttingDown = facts.isShuttingDown;
    if (facts.isShuttingDown) this.#answer();
  }

  #onFull({ id, manifest }: BackupReport, isBase: boolean): void {
    this.#report.full(id, Date.parse(manifest.snapshotAt));
    this.#report.tell(this.#progress());
    if (isBase) return;
    this.#report.notice(`Backup ${id} is not of the history being recorded; another one follows`);
  }

  #tick(): void {
    const { arrivals, offset } = this.#tail;
    arrivals.look();
    const isOver = this.#catchUp.look(offset, this.#now() - this.#startedAtMs);
    if (this.#link !== null && arrivals.isLate && isOver) arrivals.endLate(offset);
    this.#tail.rollIfDue();
    this.#report.tell(this.#progress());
  }

  #phase(phase: CapturePhase, text: string): void {
    this.#report.phase = phase;
    this.#report.text = text;
    this.#report.tell(this.#progress());
  }

  #progress(): Progress {
    return {
      tail: this.#tail,
      node: this.#link === null ? null : this.#node.shown,
      durableOffset: this.#durableOffset,
      storedOffset: this.#storedOffset,
      spool: this.#spool,
      store: this.#store,
      isFullRunning: this.#fulls.isRunning,
    };
  }

  #close(why: Closing): void {
    this.#closing ??= why;
    this.#link?.close();
  }

  /** After a link: what was lost or could not be read is cut off, and asked for again. */
  async #settle(error: Error | null): Promise<void> {
    this.#pausedAtMs = null;
    const isBroken =
      this.#spoolFailure !== null || this.#closing !== null || isCoded(error, 'STREAM_CORRUPT');
    if (!isBroken || this.#tail.resume === null) return;
    if (this.#closing === 'full' || isCoded(this.#spoolFailure, 'SPOOL_FULL')) {
      this.#phase('full', 'The spool is full: waiting for the repository to take it');
    }
    await this.#spool.shut();
    const { lineage } = this.#tail;
    this.#leaveLineage();
    this.#spoolFailure = null;
    const state = (await this.#recover()) ?? (await this.#storedState(lineage));
    this.#store?.wake();
    if (state !== null && !this.#setup.request.signal.aborted) this.#restore(state);
  }

  /** Until the disk lets us, or we are to stop. */
  async #recover(): Promise<SpoolState | null> {
    const { signal } = this.#setup.request;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#spool.recover();
      } catch (error) {
        if (!isCoded(error) || signal.aborted) throw error;
        this.#phase('full', error.message);
        const waitMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
        await delay(waitMs, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Of a spool with nothing in it: all that it had is in the repository. */
  async #storedState(lineage: LineageRecord | null): Promise<SpoolState | null> {
    const { request, source, shard } = this.#setup;
    const { repository, signal } = request;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const { state } = await readNewestLog(repository, source.id, shard, signal);
        return state?.lineage.lineage === lineage?.lineage ? state : null;
      } catch (error) {
        if (!isCoded(error)) throw error;
        this.#phase('waiting', error.message);
        const waitMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
        await delay(waitMs, undefined, { signal }).catch(() => {});
      }
    }
    return null;
  }

  async #waitForRoom(): Promise<void> {
    const { request, spoolLimitBytes } = this.#setup;
    if (this.#report.phase !== 'full') return;
    while (this.#spool.bytes > spoolLimitBytes * ROOM && !request.signal.aborted) {
      await delay(TICK_MS / 4, undefined, { signal: request.signal }).catch(() => {});
    }
  }

  async #end(): Promise<CaptureStatus> {
    this.#phase('stopping', 'Sealing and storing what was received');
    await this.#fulls.end();
    await this.#spool.shut();
    this.#tail.stop();
    await this.#spool.recover();
    const isStored = (await this.#store?.drain(this.#setup.request.stopMs ?? 30_000)) ?? true;
    const left = isStored
      ? 'Everything is stored'
      : 'What is not stored yet waits in the spool for the next start';
    this.#phase('stopped', left);
    return this.#report.status(this.#progress());
  }

  #now(): number {
    return this.#setup.request.repository.clock.now();
  }
}

/** The state that knows more. */
function newer(spool: SpoolState | null, stored: SpoolState | null): SpoolState | null {
  if (spool === null || stored === null) return spool ?? stored;
  if (spool.lineage.lineage === stored.lineage.lineage) {
    return spool.offset >= stored.offset ? spool : stored;
  }
  return spool.lineage.lineage > stored.lineage.lineage ? spool : stored;
}
