import { CodedError } from '../../base/index.ts';
import type { ArrivalTime, ReplicationId, SegmentPiece } from '../../repository/index.ts';
import type { ClosedFile } from './shard-spool.ts';
import type { SpoolHeader } from './spool-header.ts';
import { SpoolReader } from './spool-reader.ts';
import { RECORD } from './spool-record.ts';

/** A closed file as a segment is made of it. */
export type ClosedContents = {
  readonly header: SpoolHeader;
  readonly replids: readonly ReplicationId[];
  readonly brackets: readonly ArrivalTime[];
};

/** Everything about a closed file but its bytes. SPOOL_CORRUPT when it is not what was closed. */
export async function readClosed(file: ClosedFile): Promise<ClosedContents> {
  const reader = await SpoolReader.open(file.path);
  const { header } = reader;
  const replids = [{ offset: header.startOffset, replid: header.replid }];
  const brackets: ArrivalTime[] = [];
  let offset = header.startOffset;
  try {
    for (let record = await reader.next(); record !== null; record = await reader.next()) {
      if (record.type === RECORD.replid) {
        replids.push({ offset: record.offset, replid: record.payload.toString('latin1') });
      } else if (record.type === RECORD.bracket) {
        brackets.push({ offset: record.offset, ms: record.atMs });
      } else if (record.type === RECORD.data) {
        offset = record.offset + record.size;
      }
    }
  } finally {
    await reader.close();
  }
  if (offset !== file.endOffset) throw damaged(file, offset);
  const within = brackets.filter((pair) => pair.offset >= header.startOffset);
  return { header, replids, brackets: rising(within, file.endOffset) };
}

/** The bytes of a closed file, in order. Each piece is valid until the next is asked for. */
export async function* readPieces(file: ClosedFile): AsyncGenerator<SegmentPiece> {
  const reader = await SpoolReader.open(file.path);
  let offset = file.startOffset;
  try {
    for (let record = await reader.next(); record !== null; record = await reader.next()) {
      if (record.type !== RECORD.data) continue;
      if (record.offset !== offset) break;
      offset += record.size;
      const { payload: bytes, atMs, sinceMs } = record;
      yield sinceMs === 0 ? { bytes, atMs } : { bytes, atMs, sinceMs };
    }
  } finally {
    await reader.close();
  }
  if (offset !== file.endOffset) throw damaged(file, offset);
}

function rising(brackets: readonly ArrivalTime[], endOffset: number): ArrivalTime[] {
  const kept: ArrivalTime[] = [];
  for (const pair of brackets) {
    const last = kept.at(-1);
    if (last !== undefined && (pair.offset < last.offset || pair.ms < last.ms)) continue;
    if (pair.offset <= endOffset) kept.push(pair);
  }
  return kept;
}

function damaged(file: ClosedFile, offset: number): CodedError {
  const message =
    `The spool file ${file.path} is damaged: it should reach offset ${file.endOffset} and ` +
    `ends at ${offset}`;
  return new CodedError('SPOOL_CORRUPT', message, { offset });
}
