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

/** The head being written. */
const HEAD_BYTES = new Uint8Array(RECORD_BYTES);
const CHECKED_HEAD_BYTES = HEAD_BYTES.subarray(0, CRC_AT);
const HEAD = new DataView(HEAD_BYTES.buffer);

/** Writes a head at `at`; the payload of `head.size` bytes already stands behind it. */
export function writeRecordHead(out: Buffer, at: number, head: Omit<RecordHead, 'crc'>): void {
  HEAD.setUint32(0, head.type, true);
  HEAD.setUint32(4, head.size, true);
  writeNumber(8, head.offset);
  writeNumber(16, head.atMs);
  writeNumber(24, head.sinceMs);
  const body = at + RECORD_BYTES;
  const crc = crc32(out.subarray(body, body + head.size), crc32(CHECKED_HEAD_BYTES));
  HEAD.setUint32(CRC_AT, crc, true);
  out.set(HEAD_BYTES, at);
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
  const offset = readNumber(bytes, 8);
  const atMs = readNumber(bytes, 16);
  const sinceMs = readNumber(bytes, 24);
  const isRight =
    Number.isSafeInteger(offset) && Number.isSafeInteger(atMs) && Number.isSafeInteger(sinceMs);
  if (!isRight) return undefined;
  return { type, size, offset, atMs, sinceMs, crc: bytes.readUInt32LE(CRC_AT) };
}

/** 64 bits in two halves: an integer of any size costs an allocation. */
function writeNumber(at: number, value: number): void {
  HEAD.setUint32(at, value % 2 ** 32, true);
  HEAD.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** Whether head and payload are those that were written together. */
export function isWhole(head: Buffer, payload: Buffer): boolean {
  return crc32(payload, crc32(head.subarray(0, CRC_AT))) === head.readUInt32LE(CRC_AT);
}
