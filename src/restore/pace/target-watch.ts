import { CodedError, systemClock } from '../../base/index.ts';
import {
  connect,
  infoNumber,
  parseInfo,
  type RedisAddress,
  type RedisConnection,
  type TlsOptions,
} from '../../redis/index.ts';
import { ReplyError } from '../../resp/index.ts';
import { type Bearing, DEFAULT_BOUNDS, judgeTarget, type TargetVitals } from './judge-target.ts';
import type { Pacer } from './pacer.ts';

const INTERVAL_MS = 1000;

/** A slowed restore is not slowed further than this. */
const MIN_BYTES_PER_SECOND = 256 << 10;

/** A limit is lifted when the target has been well for so many looks, step by step. */
const CALM_LOOKS = 3;
const RISE = 1.5;

/**
 * Watches the target while it is written to: INFO each second on a connection of its own. What
 * passes a bound slows the writer down; a target about to pass its maxmemory ends the restore.
 * Where INFO is forbidden nothing is watched.
 */
export class TargetWatch {
  /** Never resolves; rejects with TARGET_FULL. */
  readonly failed: Promise<never>;
  readonly #target: RedisAddress;
  readonly #tls: TlsOptions | undefined;
  readonly #pacer: Pacer;
  readonly #onNotice: (text: string) => void;
  readonly #fail: (error: Error) => void;
  #conn: RedisConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;
  #before: TargetVitals | undefined;
  #limit: number | null = null;
  #calm = 0;

  constructor(
    target: RedisAddress,
    tls: TlsOptions | undefined,
    pacer: Pacer,
    onNotice: (text: string) => void,
  ) {
    this.#target = target;
    this.#tls = tls;
    this.#pacer = pacer;
    this.#onNotice = onNotice;
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.failed = promise;
    this.#fail = reject;
  }

  /** Looks once, then every second. Never throws: a target that cannot be watched is told of. */
  async begin(): Promise<void> {
    try {
      const tls = this.#tls;
      this.#conn = await connect(this.#target, { lostCode: 'TARGET_LOST', ...(tls && { tls }) });
      await this.#look();
    } catch (error) {
      this.#giveUp((error as Error).message);
    }
  }

  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.#conn?.close();
  }

  async #look(): Promise<void> {
    const vitals = await this.#readVitals();
    if (this.#isEnded || vitals === undefined) return;
    const bearing = judgeTarget(vitals, this.#before, DEFAULT_BOUNDS);
    this.#before = vitals;
    if (bearing.stop !== undefined) {
      const message = `The restore was stopped: ${bearing.stop}`;
      this.#fail(new CodedError('TARGET_FULL', message));
      return;
    }
    this.#steer(bearing, vitals);
    this.#timer = setTimeout(() => {
      this.#look().catch((error: unknown) => this.#giveUp((error as Error).message));
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  /** Undefined: INFO is not allowed. */
  async #readVitals(): Promise<TargetVitals | undefined> {
    const conn = this.#conn as RedisConnection;
    const begunAt = systemClock.monotonic();
    await conn.attempt(['PING'], { timeoutMs: 60_000 });
    const latencyMs = systemClock.monotonic() - begunAt;
    const reply = await conn.attempt(['INFO', 'memory'], { timeoutMs: 60_000 });
    if (reply instanceof ReplyError || !Buffer.isBuffer(reply)) return undefined;
    const info = parseInfo(reply.toString('latin1'));
    const used = infoNumber(info, 'used_memory') ?? 0;
    return {
      atMs: begunAt,
      latencyMs,
      // What the server itself leaves out of account when it looks for maxmemory.
      countedBytes: used - (infoNumber(info, 'mem_not_counted_for_evict') ?? 0),
      maxBytes: infoNumber(info, 'maxmemory') ?? 0,
      replicaBufferBytes: infoNumber(info, 'mem_clients_slaves') ?? 0,
      passedBytes: this.#pacer.passedBytes,
    };
  }

  /** Halves the speed while a bound is passed, and lets it rise again when all is well. */
  #steer(bearing: Bearing, { passedBytes, atMs }: TargetVitals): void {
    if (bearing.slow !== undefined) {
      this.#calm = 0;
      const wanted = bearing.bytesPerSecond ?? (this.#limit ?? this.#speed(passedBytes, atMs)) / 2;
      if (this.#limit === null) this.#onNotice(`Slowed down: ${bearing.slow}`);
      this.#set(Math.max(MIN_BYTES_PER_SECOND, wanted));
      return;
    }
    if (this.#limit === null || ++this.#calm < CALM_LOOKS) return;
    if (this.#speed(passedBytes, atMs) < this.#limit / 2) {
      this.#onNotice('The target is well again: full speed');
      this.#set(null);
    } else this.#set(this.#limit * RISE);
  }

  #set(limit: number | null): void {
    this.#limit = limit;
    this.#pacer.limit(limit);
    this.#speedFrom = { passedBytes: this.#pacer.passedBytes, atMs: systemClock.monotonic() };
  }

  #speedFrom = { passedBytes: 0, atMs: systemClock.monotonic() };

  /** Bytes per second since the last change of the limit. */
  #speed(passedBytes: number, atMs: number): number {
    const seconds = Math.max(0.001, (atMs - this.#speedFrom.atMs) / 1000);
    return (passedBytes - this.#speedFrom.passedBytes) / seconds;
  }

  #giveUp(message: string): void {
    if (this.#isEnded) return;
    this.end();
    this.#pacer.limit(null);
    this.#onNotice(`The target is not watched for overload: ${message}`);
  }
}
