import { CodedError } from '../../base/index.ts';
import type { LineageRecord } from '../../repository/index.ts';

/** What a spool file says of itself: enough to go on recording behind it and to store it. */
export type SpoolHeader = {
  readonly lineage: LineageRecord;
  readonly startOffset: number;
  /** In force at the start. */
  readonly database: number;
  readonly replid: string;
  /** Arrival of the last byte before it, Unix milliseconds: no byte of it is earlier. */
  readonly lastMs: number;
};

const FORMAT_VERSION = 1;

export function encodeHeader(header: SpoolHeader): Buffer {
  return Buffer.from(JSON.stringify({ formatVersion: FORMAT_VERSION, ...header }));
}

/** SPOOL_CORRUPT for what this version did not write. */
export function parseHeader(bytes: Buffer, path: string): SpoolHeader {
  let found: (SpoolHeader & { formatVersion: number }) | undefined;
  try {
    found = JSON.parse(bytes.toString()) as SpoolHeader & { formatVersion: number };
  } catch {
    // Told below.
  }
  const { formatVersion, startOffset, database, replid, lastMs, lineage } = found ?? {};
  const isRight =
    formatVersion === FORMAT_VERSION &&
    [startOffset, database, lastMs].every(Number.isSafeInteger) &&
    typeof replid === 'string' &&
    typeof lineage?.lineage === 'string';
  if (isRight) return found as SpoolHeader;
  throw new CodedError('SPOOL_CORRUPT', `Cannot read the head of the spool file ${path}`);
}
