import { assert, type Clock } from '../base/index.ts';
import { type NotableEvent, StreamScanner } from '../commands/index.ts';
import type { LineageRecord } from '../repository/index.ts';
import { ArrivalTimes } from './arrival-times.ts';
import type { SpoolState } from './spool/settle-file.ts';
import type { ShardSpool } from './spool/shard-spool.ts';

export type SegmentBounds = {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** Of one that holds nothing but keepalives. */
  readonly idleSegmentMs: number;
};

/**
 * The growing end of a shard's log: follows the stream that is being received, stamps it, hands it
 * to the spool, and says where a file may end. Nothing here waits.
 */
export class LogTail {
  lineage: LineageRecord | null = null;
  replid = '';
  arrivals: ArrivalTimes;
  /** The source asked how much we have, in the bytes taken in last. */
  wasAsked = false;
  readonly #spool: ShardSpool;
  readonly #clock: Clock;
  readonly #bounds: SegmentBounds;
  #scanner: StreamScanner | null = null;
  #commandsBefore = 0;
  /** Of the file being written: when its first byte came (0: none yet), and counts at its start. */
  #fileMs = 0;
  #fileTotal = 0;
  #fileKeepalives = 0;

  constructor(spool: ShardSpool, clock: Clock, bounds: SegmentBounds) {
    this.#spool = spool;
    this.#clock = clock;
    this.#bounds = bounds;
    this.arrivals = new ArrivalTimes(clock, 0);
  }

  /** What to ask the source for; null while there is nothing to go on from. */
  get resume(): { readonly replid: string; readonly offset: number } | null {
    const { replid } = this;
    return this.#scanner === null ? null : { replid, offset: this.#scanner.offset };
  }

  get offset(): number {
    return this.#scanner?.offset ?? 0;
  }

  /** The last place behind a whole command and outside MULTI … EXEC. */
  get cut(): number {
    return this.#scanner?.cut ?? 0;
  }

  /** Commands of data seen since the start. */
  get commands(): number {
    return this.#commandsBefore + (this.#scanner?.commands ?? 0);
  }

  /** When the first byte of the file being written came; 0 where there is none. */
  get fileMs(): number {
    return this.#fileMs;
  }

  /** Goes on behind what is recorded. */
  restore(state: SpoolState): void {
    this.#follow(state.lineage, state.replid, state, state.lastMs);
    this.#begin(state.offset, state.database);
  }

  /** Another history begins; what was recorded before ends at its last cut. */
  beginLineage(lineage: LineageRecord, database: number): void {
    const { startOffset, replid } = lineage;
    const lastMs = Date.parse(lineage.startedAt);
    this.#follow(lineage, replid, { offset: startOffset, database }, lastMs);
    this.#begin(startOffset, database);
  }

  /** The same history goes on, under this name. */
  continue(replid: string): void {
    if (replid === this.replid) return;
    this.replid = replid;
    this.#spool.noteReplid(replid);
  }

  /** Nothing is being recorded any more; `restore` or `beginLineage` begins again. */
  stop(): void {
    this.#commandsBefore = this.commands;
    this.#scanner = null;
    this.#fileMs = 0;
  }

  /** Takes `[start, end)` in, which stays the caller's. STREAM_CORRUPT; nothing is taken then. */
  take(buffer: Buffer, start: number, end: number): void {
    const scanner = this.#scanner;
    assert(scanner !== null, 'a stream that was not begun');
    const offset = scanner.offset;
    this.wasAsked = false;
    scanner.push(buffer, start, end);
    const { atMs, sinceMs } = this.arrivals.stamp(offset);
    let from = start;
    if (scanner.cut > offset && this.#isDue(atMs)) {
      from = start + scanner.cut - offset;
      this.#spool.append(buffer, start, from, atMs, sinceMs);
      this.#roll();
    }
    if (from === end) return;
    if (this.#fileMs === 0) this.#fileMs = atMs;
    this.#spool.append(buffer, from, end, atMs, sinceMs);
  }

  /** Closes a file that is old enough although nothing arrives. */
  rollIfDue(): void {
    const scanner = this.#scanner;
    if (scanner === null || scanner.cut !== scanner.offset || this.#fileMs === 0) return;
    if (this.#isDue(this.arrivals.lastMs)) this.#roll();
  }

  #isDue(atMs: number): boolean {
    const { segmentBytes, segmentMs, idleSegmentMs } = this.#bounds;
    if (this.#spool.openBytes >= segmentBytes) return true;
    if (this.#fileMs === 0) return false;
    const age = Math.max(atMs, this.#clock.now()) - this.#fileMs;
    if (age < segmentMs) return false;
    const scanner = this.#scanner as StreamScanner;
    const others = scanner.total - this.#fileTotal - (scanner.keepalives - this.#fileKeepalives);
    return others > 0 || age >= idleSegmentMs;
  }

  #roll(): void {
    const { cut, cutDatabase } = this.#scanner as StreamScanner;
    this.#spool.roll(this.#header(cut, cutDatabase));
    this.#beginFile();
  }

  #begin(offset: number, database: number): void {
    this.#spool.begin(this.#header(offset, database));
    this.#beginFile();
  }

  #beginFile(): void {
    this.#fileMs = 0;
    this.#fileTotal = this.#scanner?.total ?? 0;
    this.#fileKeepalives = this.#scanner?.keepalives ?? 0;
  }

  #header(startOffset: number, database: number) {
    const { lineage, replid } = this;
    assert(lineage !== null, 'a file without a lineage');
    return { lineage, startOffset, database, replid, lastMs: this.arrivals.lastMs };
  }

  #follow(
    lineage: LineageRecord,
    replid: string,
    state: { readonly offset: number; readonly database: number },
    lastMs: number,
  ): void {
    this.#commandsBefore = this.commands;
    this.lineage = lineage;
    this.replid = replid;
    const scanner = new StreamScanner(state);
    scanner.onNotable = (event: NotableEvent) => {
      if (event.kind === 'getack') this.wasAsked = true;
    };
    this.#scanner = scanner;
    const { steps } = this.arrivals;
    this.arrivals = new ArrivalTimes(this.#clock, lastMs);
    this.arrivals.steps = steps;
  }
}
