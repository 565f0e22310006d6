import { infoNumber } from '../redis/index.ts';
import type { HarmBounds } from './rate-limit.ts';

export type SavePoint = { readonly seconds: number; readonly changes: number };

/** What the source's settings say about replicas and saves; what is unknown is the default. */
export type SourceSettings = {
  /** `save`; empty when unknown or none. */
  readonly savePoints: readonly SavePoint[];
  /** At how many buffered bytes a replica is dropped at once, and after some time; 0: never. */
  readonly bufferLimit: { readonly hardBytes: number; readonly softBytes: number };
  readonly replTimeoutMs: number;
};

/** What was seen of the source at one time. */
export type SourceLook = {
  readonly info: Readonly<Record<string, string>>;
  /** The largest output buffer of one replica; null where only INFO's sum is known. */
  readonly bufferedBytes: number | null;
  /** How often BGSAVE and SAVE have been called; null where nobody may know. */
  readonly saveCalls: number | null;
  /** Unix milliseconds of our clock. */
  readonly atMs: number;
};

export type GuardedTransfer = {
  readonly framing: 'length' | 'mark';
  readonly bounds: HarmBounds;
  readonly settings: SourceSettings;
};

/** How many more looks of the same growth a buffer must have room for. */
const LOOKS_AHEAD = 3;

/**
 * Whether our slowness costs the source anything: a sentence, or null. With the mark framing the
 * child lives as long as our transfer: other replicas wait for it, saves are refused, copy-on-write
 * grows. With the length framing the child is gone and only our buffer counts.
 */
export function findHarm(
  look: SourceLook,
  before: SourceLook | null,
  transfer: GuardedTransfer,
): string | null {
  const { bounds, framing } = transfer;
  const buffers = findBufferHarm(look, before, transfer);
  if (buffers !== null || framing === 'length') return buffers;
  const { info } = look;
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
  const savesBefore = before?.saveCalls ?? null;
  if (look.saveCalls !== null && savesBefore !== null && look.saveCalls > savesBefore) {
    return 'somebody asked the source to save, which it cannot while we read';
  }
  return isSaveDue(look, transfer) ? 'the source wants to save and cannot while we read' : null;
}

/** A source drops a replica whose buffer grows too large, so there must be time to empty it. */
function findBufferHarm(
  look: SourceLook,
  before: SourceLook | null,
  { bounds, settings }: GuardedTransfer,
): string | null {
  const buffered = bufferedBytes(look);
  const growth = before === null ? 0 : Math.max(0, buffered - bufferedBytes(before));
  const { hardBytes, softBytes } = settings.bufferLimit;
  const soon = buffered + growth * LOOKS_AHEAD;
  if (growth > 0 && hardBytes > 0 && soon > hardBytes) {
    return `the source would soon drop a replica whose output buffer passes ${mebibytes(hardBytes)}`;
  }
  const bound = Math.min(
    bounds.replicaBufferBytes,
    hardBytes > 0 ? hardBytes / 2 : Infinity,
    softBytes > 0 ? softBytes : Infinity,
  );
  if (buffered <= bound) return null;
  return `the source holds ${mebibytes(buffered)} in output buffers of replicas`;
}

function bufferedBytes(look: SourceLook): number {
  return look.bufferedBytes ?? infoNumber(look.info, 'mem_clients_slaves') ?? 0;
}

function isSaveDue({ info, atMs }: SourceLook, { settings }: GuardedTransfer): boolean {
  const changes = infoNumber(info, 'rdb_changes_since_last_save') ?? 0;
  const savedAt = infoNumber(info, 'rdb_last_save_time') ?? 0;
  const serverMicros = infoNumber(info, 'server_time_usec');
  const now = serverMicros === null ? atMs / 1000 : serverMicros / 1e6;
  return settings.savePoints.some(
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

/** Reads `CONFIG GET client-output-buffer-limit`: "normal 0 0 0 slave 268435456 67108864 60 …". */
export function parseBufferLimit(text: string): SourceSettings['bufferLimit'] {
  const match = /\b(?:slave|replica) (\d+) (\d+) \d+/.exec(text);
  return { hardBytes: Number(match?.[1] ?? 0), softBytes: Number(match?.[2] ?? 0) };
}

/** The largest `omem` of a CLIENT LIST; null where there is none. */
export function parseLargestBuffer(list: string): number | null {
  const sizes = Array.from(list.matchAll(/\bomem=(\d+)/g), (match) => Number(match[1]));
  return sizes.length === 0 ? null : Math.max(...sizes);
}

/** Calls of the commands that save, in `INFO commandstats`. */
export function countSaveCalls(stats: Readonly<Record<string, string>>): number {
  let calls = 0;
  for (const name of ['cmdstat_bgsave', 'cmdstat_save']) {
    calls += Number(/\bcalls=(\d+)/.exec(stats[name] ?? '')?.[1] ?? 0);
    // From 6.2 on, some refusals come before the call.
    calls += Number(/\brejected_calls=(\d+)/.exec(stats[name] ?? '')?.[1] ?? 0);
  }
  return calls;
}
