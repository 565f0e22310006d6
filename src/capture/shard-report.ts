import type { GapRecord } from '../repository/index.ts';
import { type CapturePhase, type CaptureStatus, StatusFile } from './capture-status.ts';
import type { LogTail } from './log-tail.ts';
import type { SegmentStore } from './segment-store.ts';
import type { ShardSetup } from './shard-setup.ts';
import type { ShardSpool } from './spool/shard-spool.ts';

export type Progress = {
  readonly tail: LogTail;
  /** While there is a link. */
  readonly node: string | null;
  readonly durableOffset: number;
  readonly storedOffset: number;
  readonly spool: ShardSpool;
  readonly store: SegmentStore | null;
  readonly isFullRunning: boolean;
};

/** Arrivals closer than this are told as one. */
const MARK_MS = 20;
const KEPT_GAPS = 50;
/** Writing the file costs more than telling: what is told sooner after it waits for the next. */
const FILE_MS = 700;

/** What the capture of a shard says of itself: to its caller, and to other processes by a file. */
export class ShardReport {
  phase: CapturePhase = 'starting';
  text = 'Looking at what was recorded before';
  reconnects = 0;
  sourceOffset: number | null = null;
  fullFailure: string | null = null;
  readonly #setup: ShardSetup;
  readonly #file: StatusFile;
  readonly #startedAtMs: number;
  readonly #gaps: (GapRecord & { readonly atMs: number; readonly next: string })[] = [];
  /** What has arrived and is not durable: where and when. */
  #waiting: { readonly offset: number; readonly ms: number }[] = [];
  #lastFull: { readonly id: string; readonly atMs: number } | null = null;
  #isFailoverWaiting = false;
  #last: CaptureStatus | null = null;
  /** When the file was written last, as it says itself. */
  #filedAtMs = 0;

  constructor(setup: ShardSetup) {
    this.#setup = setup;
    this.#file = new StatusFile(setup.stateFile);
    this.#startedAtMs = setup.request.repository.clock.now();
  }

  tell(progress: Progress): void {
    const status = this.status(progress);
    const isNews = status.phase !== this.#last?.phase || status.text !== this.#last.text;
    this.#last = status;
    const ageMs = Math.abs(status.updatedAtMs - this.#filedAtMs);
    if (isNews || ageMs >= FILE_MS) this.#writeFile(status);
    this.#setup.request.onStatus?.(status);
  }

  notice(text: string): void {
    if (this.#last !== null) this.#setup.request.onNotice?.(text, this.#last);
  }

  gap(gap: GapRecord, next: string): void {
    const atMs = this.#setup.request.repository.clock.now();
    this.#gaps.push({ ...gap, atMs, next });
    if (this.#gaps.length > KEPT_GAPS) this.#gaps.shift();
    this.notice(
      `GAP in the log: ${gap.why}. Lineage ${gap.lineage} ends at offset ${gap.endOffset}, ` +
        `${next} begins; a full backup follows at once`,
    );
  }

  full(id: string, atMs: number): void {
    this.#lastFull = { id, atMs };
    this.fullFailure = null;
    this.notice(`Full backup ${id} is stored`);
  }

  failoverWaits(isWaiting: boolean): void {
    if (isWaiting && !this.#isFailoverWaiting) {
      this.notice(
        'ALARM: a FAILOVER waits for a replica that has everything, and clients wait with it. ' +
          'Capture never claims to; without another replica end it by FAILOVER ABORT',
      );
    }
    this.#isFailoverWaiting = isWaiting;
  }

  /** Bytes from `offset` on arrived. */
  took(offset: number, ms: number): void {
    const last = this.#waiting.at(-1);
    if (last === undefined || ms - last.ms >= MARK_MS) this.#waiting.push({ offset, ms });
  }

  durable(offset: number, received: number): void {
    if (offset >= received) {
      this.#waiting = [];
      return;
    }
    // The last one that begins before: some of its bytes may still wait.
    const index = this.#waiting.findLastIndex((mark) => mark.offset <= offset);
    if (index > 0) this.#waiting.splice(0, index);
  }

  status(progress: Progress): CaptureStatus {
    const { request, source, shard, spoolLimitBytes } = this.#setup;
    const { tail, node, durableOffset, storedOffset, spool, store } = progress;
    const now = request.repository.clock.now();
    const hasLog = tail.lineage !== null;
    const received = hasLog && tail.resume !== null ? tail.offset : durableOffset;
    const waiting = this.#waiting[0]?.ms;
    const oldest = spool.closed.at(0);
    return {
      repository: request.repository.id,
      source: { id: source.id, name: source.name },
      shard,
      pid: process.pid,
      startedAtMs: this.#startedAtMs,
      updatedAtMs: now,
      phase: this.phase,
      text: this.text,
      node,
      ack: request.ack ?? 'durable',
      lineage: tail.lineage?.lineage ?? null,
      replid: hasLog ? tail.replid : null,
      sourceOffset: this.sourceOffset,
      receivedOffset: hasLog ? received : null,
      durableOffset: hasLog ? durableOffset : null,
      storedOffset: hasLog ? storedOffset : null,
      lagBytes:
        this.sourceOffset === null || !hasLog ? null : Math.max(0, this.sourceOffset - received),
      durableUntilMs: hasLog ? (waiting ?? now) : null,
      storedUntilMs: hasLog ? (oldest?.sinceMs ?? (tail.fileMs || now)) : null,
      spoolBytes: spool.bytes,
      spoolLimitBytes,
      commands: tail.commands,
      segments: store?.segments ?? 0,
      reconnects: this.reconnects,
      gaps: this.#gaps,
      full: {
        isRunning: progress.isFullRunning,
        lastId: this.#lastFull?.id ?? null,
        lastAtMs: this.#lastFull?.atMs ?? null,
        failure: this.fullFailure,
      },
      clockSteps: tail.arrivals.steps,
      storeFailure: store?.failure ?? null,
    };
  }

  /** The file says what was told last. */
  async end(): Promise<void> {
    if (this.#last !== null && this.#last.updatedAtMs !== this.#filedAtMs) {
      this.#writeFile(this.#last);
    }
    await this.#file.end();
  }

  #writeFile(status: CaptureStatus): void {
    this.#filedAtMs = status.updatedAtMs;
    this.#file.write(status);
  }
}
