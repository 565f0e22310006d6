import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, isCoded, RunControl, systemClock } from '../base/index.ts';
import { connect, displayAddress, type RedisAddress } from '../redis/index.ts';
import { shakeHands } from './handshake.ts';
import { RateControlledRdb } from './rate-controlled-rdb.ts';
import { RateGuard } from './rate-guard.ts';
import { MIN_RATE } from './rate-limit.ts';
import type { OnChunk, RdbByteSource, RdbEnd } from './rdb-byte-source.ts';
import { ReplicationLink, type ReplicationOrigin } from './replication-link.ts';
import type { ReplicationDeadlines, ReplicationOptions } from './replication-options.ts';

/** An attached replica whose RDB is about to flow. */
export interface ReplicationStream extends RdbByteSource {
  readonly origin: ReplicationOrigin;
}

export const DEFAULT_DEADLINES: ReplicationDeadlines = {
  connectMs: 5000,
  handshakeMs: 10_000,
  forkMs: 60_000,
  silenceMs: 60_000,
  retryMs: 60_000,
  retryDelayMs: 500,
};
const MAX_RETRY_DELAY_MS = 10_000;
const READ_BUFFER_BYTES = 256 << 10;
export const NEWEST_VALKEY = '9.1.2';

/**
 * Attaches to one server as a replica and asks for a full resync; resolves when the RDB is about
 * to flow. A server that says "not now" (SOURCE_LOADING, PSYNC_REFUSED) is asked again, each time
 * on a new connection, until `retryMs` have passed. Throws those two, what `connect` throws,
 * PSYNC_FORBIDDEN, SOURCE_GARBAGE, SOURCE_LOST, SOURCE_STALLED, INTERRUPTED; with a rate limit also
 * USAGE and NOPERM (without INFO the limit could do harm unseen).
 */
export async function openReplication(
  address: RedisAddress,
  options: ReplicationOptions = {},
): Promise<ReplicationStream> {
  const deadlines = { ...DEFAULT_DEADLINES, ...options.deadlines };
  checkRate(controlOf(options)?.settings.bytesPerSecond ?? null);
  const giveUpAt = systemClock.monotonic() + deadlines.retryMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await openOnce(address, options, deadlines);
    } catch (error) {
      const waitMs = Math.min(deadlines.retryDelayMs * 2 ** attempt, MAX_RETRY_DELAY_MS);
      // Once it has answered "not now", a server may also vanish for a moment: it restarts.
      const isWorthIt =
        isCoded(error, 'SOURCE_LOADING', 'PSYNC_REFUSED') ||
        (attempt > 0 && isCoded(error, 'CONNECT_FAILED', 'CONNECT_TIMEOUT'));
      if (!isWorthIt || systemClock.monotonic() + waitMs > giveUpAt) throw error;
      options.onPhase?.('retrying', `${(error as Error).message}; trying again in ${waitMs} ms`);
      await pauseFor(waitMs, options.signal);
    }
  }
}

async function openOnce(
  address: RedisAddress,
  options: ReplicationOptions,
  deadlines: ReplicationDeadlines,
): Promise<ReplicationStream> {
  const node = displayAddress({ ...address, user: null, database: null });
  const { signal } = options;
  const connectOptions = {
    connectTimeoutMs: deadlines.connectMs,
    lostCode: 'SOURCE_LOST',
    readBufferBytes: READ_BUFFER_BYTES,
    ...(options.tls && { tls: options.tls }),
    ...(signal && { signal }),
  } as const;
  options.onPhase?.('connecting', `Connecting to ${node}`);
  const conn = await connect(address, connectOptions);
  let guard: RateGuard | null = null;
  try {
    const psync = options.commandNames?.psync ?? 'PSYNC';
    const replconf = options.commandNames?.replconf ?? 'REPLCONF';
    const { rdbOnly } = await shakeHands(conn, {
      replconf,
      announceEof: options.announceEof ?? true,
      rdbOnly: options.onStream === undefined && (options.rdbOnly ?? true),
      valkeyVersion: options.valkeyVersion ?? NEWEST_VALKEY,
      timeoutMs: deadlines.handshakeMs,
    });
    const control = controlOf(options);
    const openGuard = async (): Promise<RateGuard> => {
      const watcher = await connect(address, { ...connectOptions, readBufferBytes: 64 << 10 });
      return await RateGuard.create(watcher, options.rateLimit?.bounds ?? {});
    };
    if (control && isHolding(control)) guard = await openGuard();
    options.onPhase?.('waiting-for-fork', `Waiting for ${node} to make its snapshot`);
    const onStream = options.onStream ?? null;
    const link = new ReplicationLink(conn, {
      node,
      psync,
      replconf,
      rdbOnly,
      deadlines,
      onStream,
    });
    const origin = await link.open();
    options.onPhase?.('receiving', `Receiving from ${node}`);
    const stream = new OpenReplication(link, origin);
    if (!control) return stream;
    const { framing } = origin;
    const { onLifted } = options;
    const limit = { ...(onLifted && { onLifted }), ...options.rateLimit };
    return new RateControlledRdb(stream, control, { framing, limit, guard, openGuard });
  } catch (error) {
    guard?.end();
    conn.close();
    throw error;
  }
}

export class OpenReplication implements ReplicationStream {
  readonly origin: ReplicationOrigin;
  readonly #link: ReplicationLink;

  constructor(link: ReplicationLink, origin: ReplicationOrigin) {
    this.#link = link;
    this.origin = origin;
  }

  async start(onChunk: OnChunk, signal?: AbortSignal): Promise<RdbEnd> {
    const abort = () => this.#link.close();
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    try {
      return await this.#link.start(onChunk);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  pause(): void {
    this.#link.pause();
  }

  resume(): void {
    this.#link.resume();
  }

  close(): void {
    this.#link.close();
  }
}

function controlOf({ control, rateLimit }: ReplicationOptions): RunControl | null {
  if (control) return control;
  return rateLimit ? new RunControl({ bytesPerSecond: rateLimit.bytesPerSecond }) : null;
}

function isHolding({ settings }: RunControl): boolean {
  return settings.paused || settings.bytesPerSecond !== null;
}

function checkRate(bytesPerSecond: number | null): void {
  if (bytesPerSecond === null || bytesPerSecond >= MIN_RATE) return;
  throw new CodedError('USAGE', `Cannot limit the rate to ${bytesPerSecond} bytes/s`, {
    hint: `At least ${MIN_RATE} bytes/s: a slower replica is dropped by the server`,
  });
}

async function pauseFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal ? { signal } : {});
  } catch (cause) {
    throw new CodedError('INTERRUPTED', 'Cannot attach as a replica: interrupted', { cause });
  }
}
