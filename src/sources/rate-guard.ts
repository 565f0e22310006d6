import { CodedError, isCoded, systemClock } from '../base/index.ts';
import { infoNumber, parseInfo, type RedisConnection } from '../redis/index.ts';
import { ReplyError, replyPairs, replyText } from '../resp/index.ts';
import type { HarmBounds } from './rate-limit.ts';

const DEFAULT_BOUNDS: HarmBounds = {
  copyOnWriteBytes: 256 << 20,
  replicaBufferBytes: 64 << 20,
};

export type SavePoint = { readonly seconds: number; readonly changes: number };

export type GuardedTransfer = {
  readonly framing: 'length' | 'mark';
  readonly bounds: HarmBounds;
  /** The source's `save` setting; empty when unknown or none. */
  readonly savePoints: readonly SavePoint[];
  readonly nowMs: number;
};

/**
 * Whether our slowness costs the source anything, from its INFO: a sentence, or null. With the mark
 * framing the child lives as long as our transfer: other replicas wait for it, saves are refused,
 * copy-on-write grows. With the length framing the child is gone and only our buffer counts.
 */
export function findHarm(
  info: Readonly<Record<string, string>>,
  transfer: GuardedTransfer,
): string | null {
  const { bounds } = transfer;
  const buffered = infoNumber(info, 'mem_clients_slaves') ?? 0;
  if (buffered > bounds.replicaBufferBytes) {
    return `the source holds ${mebibytes(buffered)} in output buffers of replicas`;
  }
  if (transfer.framing === 'length') return null;
  // Until the transfer ends, the server lists us as waiting too.
  const waiting = Object.entries(info).filter(
    ([name, text]) => /^slave\d+$/.test(name) && text.includes('state=wait_bgsave'),
  ).length;
  if (waiting > 1) return 'another replica waits for the source until our transfer ends';
  const copied = infoNumber(info, 'current_cow_size') ?? 0;
  if (copied > bounds.copyOnWriteBytes) {
    return `copy-on-write at the source has grown to ${mebibytes(copied)}`;
  }
  if (info['aof_rewrite_scheduled'] === '1') {
    return 'the source wants to rewrite its AOF and waits until our transfer ends';
  }
  return isSaveDue(info, transfer) ? 'the source wants to save and cannot while we read' : null;
}

function isSaveDue(info: Readonly<Record<string, string>>, transfer: GuardedTransfer): boolean {
  const changes = infoNumber(info, 'rdb_changes_since_last_save') ?? 0;
  const savedAt = infoNumber(info, 'rdb_last_save_time') ?? 0;
  const serverMicros = infoNumber(info, 'server_time_usec');
  const now = serverMicros === null ? transfer.nowMs / 1000 : serverMicros / 1e6;
  return transfer.savePoints.some(
    (point) => changes >= point.changes && now - savedAt > point.seconds,
  );
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / (1 << 20))} MiB`;
}

/** Reads `CONFIG GET save`, such as "3600 1 300 100". */
export function parseSavePoints(text: string): SavePoint[] {
  const numbers = text.split(' ').filter(Boolean).map(Number);
  const points: SavePoint[] = [];
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    points.push({ seconds: numbers[i], changes: numbers[i + 1] });
  }
  return points;
}

/**
 * Watches the source while a transfer is throttled: INFO each second on a connection of its own,
 * which it owns and closes. Not being able to look any more counts as harm.
 */
export class RateGuard {
  readonly #conn: RedisConnection;
  readonly #bounds: HarmBounds;
  readonly #intervalMs: number;
  #savePoints: readonly SavePoint[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isEnded = false;

  private constructor(conn: RedisConnection, bounds: Partial<HarmBounds>, intervalMs: number) {
    this.#conn = conn;
    this.#bounds = { ...DEFAULT_BOUNDS, ...bounds };
    this.#intervalMs = intervalMs;
  }

  /** Throws NOPERM when the user may not run INFO: a throttled run needs it. */
  static async create(
    conn: RedisConnection,
    bounds: Partial<HarmBounds>,
    intervalMs = 1000,
  ): Promise<RateGuard> {
    const guard = new RateGuard(conn, bounds, intervalMs);
    try {
      await conn.command(['INFO', 'persistence']);
    } catch (error) {
      conn.close();
      if (!isCoded(error, 'NOPERM', 'COMMAND_FAILED')) throw error;
      throw new CodedError('NOPERM', `Cannot limit the rate safely: ${error.message}`, {
        hint: 'Give the user +info, or leave out --rate',
        cause: error,
      });
    }
    const config = replyPairs(await conn.attempt(['CONFIG', 'GET', 'save']));
    guard.#savePoints = parseSavePoints(replyText(config.get('save')));
    return guard;
  }

  /** Looks at once and then every interval, until harm (reported once) or `end`. */
  begin(framing: 'length' | 'mark', onHarm: (reason: string) => void): void {
    void this.#look(framing, onHarm);
  }

  async #look(framing: 'length' | 'mark', onHarm: (reason: string) => void): Promise<void> {
    const reason = await this.#find(framing);
    if (this.#isEnded) return;
    if (reason === null) {
      this.#timer = setTimeout(() => void this.#look(framing, onHarm), this.#intervalMs);
      return;
    }
    this.end();
    onHarm(reason);
  }

  async #find(framing: 'length' | 'mark'): Promise<string | null> {
    let reply: unknown;
    try {
      reply = await this.#conn.attempt(['INFO'], { timeoutMs: this.#intervalMs * 5 });
    } catch (error) {
      return `the source cannot be watched any more (${(error as Error).message})`;
    }
    if (!(reply instanceof Buffer)) {
      const why = reply instanceof ReplyError ? reply.message : 'no text';
      return `the source cannot be watched any more (INFO: ${why})`;
    }
    const nowMs = systemClock.now();
    const transfer = { framing, bounds: this.#bounds, savePoints: this.#savePoints, nowMs };
    return findHarm(parseInfo(reply.toString()), transfer);
  }

  end(): void {
    this.#isEnded = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#conn.close();
  }
}
