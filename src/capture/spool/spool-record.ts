import { crc32 } from 'node:zlib';

/**
 * A spool file is local and short-lived: the stream as it arrived, until it rests in the
 * repository. It begins with MAGIC; then records follow, each
 *
 *   0   1      8       8        8        8        4
 *   ┌───┬──────┬───────┬────────┬────────┬────────┬───────┬─────────
 *   │ t │ size │ offset│ atMs   │ sinceMs│ crc32  │ payload …
 *   └───┴──────┴───────┴────────┴────────┴────────┴───────┴─────────
 *     u8  u32 (3 unused bytes between)     little endian, 36 bytes
 *
 * The checksum covers the 32 bytes before it and the payload. Whatever follows the first record
 * that is not whole was never acknowledged: the file ends there.
 */
export const MAGIC = Buffer.from('TMSPOOL1');
export const RECORD_BYTES = 36;
const CRC_AT = 32;

export const RECORD = {
  /** JSON: SpoolHeader. The first record, once. */
  header: 1,
  /** Bytes of the stream from `offset` on, arrived at `atMs`, made since `sinceMs` (0: then). */
  data: 2,
  /** The history is called by the payload from `offset` on. */
  replid: 3,
  /** The source's own clock said `atMs` when its offset was `offset`. */
  bracket: 4,
} as const;

/** A data record holds no more than this. */
export const MAX_DATA_BYTES = 1 << 20;
const MAX_PAYLOAD_BYTES = 4 << 20;

export type RecordHead = {
  readonly type: number;
  readonly size: number;
  readonly offset: number;
  readonly atMs: number;
  readonly sinceMs: number;
  readonly crc: number;
};

/** Writes a head at `at`; the payload of `head.size` bytes already stands behind it. */
export function writeRecordHead(out: Buffer, at: number, head: Omit<RecordHead, 'crc'>): void {
  out.writeUInt32LE(head.type, at);
  out.writeUInt32LE(head.size, at + 4);
  out.writeBigUInt64LE(BigInt(head.offset), at + 8);
  out.writeBigUInt64LE(BigInt(head.atMs), at + 16);
  out.writeBigUInt64LE(BigInt(head.sinceMs), at + 24);
  const body = at + RECORD_BYTES;
  const crc = crc32(out.subarray(body, body + head.size), crc32(out.subarray(at, at + CRC_AT)));
  out.writeUInt32LE(crc, at + CRC_AT);
}

/** One record of its own, for what is no data. */
export function encodeRecord(
  type: number,
  payload: Uint8Array,
  place: { readonly offset: number; readonly atMs: number },
): Buffer {
  const out = Buffer.alloc(RECORD_BYTES + payload.length);
  out.set(payload, RECORD_BYTES);
  writeRecordHead(out, 0, { type, size: payload.length, ...place, sinceMs: 0 });
  return out;
}

/** The head in the first RECORD_BYTES of `bytes`; undefined where none can be. */
export function readRecordHead(bytes: Buffer): RecordHead | undefined {
  const type = bytes.readUInt32LE(0);
  const size = bytes.readUInt32LE(4);
  if (type < RECORD.header || type > RECORD.bracket || size > MAX_PAYLOAD_BYTES) return undefined;
  const offset = Number(bytes.readBigUInt64LE(8));
  const atMs = Number(bytes.readBigUInt64LE(16));
  const sinceMs = Number(bytes.readBigUInt64LE(24));
  if (![offset, atMs, sinceMs].every(Number.isSafeInteger)) return undefined;
  return { type, size, offset, atMs, sinceMs, crc: bytes.readUInt32LE(CRC_AT) };
}

/** Whether head and payload are those that were written together. */
export function isWhole(head: Buffer, payload: Buffer): boolean {
  return crc32(payload, crc32(head.subarray(0, CRC_AT))) === head.readUInt32LE(CRC_AT);
}
