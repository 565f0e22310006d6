import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isCoded } from '../../base/index.ts';
import { StreamScanner } from '../../commands/index.ts';
import type { LineageRecord } from '../../repository/index.ts';
import { syncFolder } from '../../storage/index.ts';
import { SpoolReader } from './spool-reader.ts';
import { RECORD, RECORD_BYTES, writeRecordHead } from './spool-record.ts';

/** Where recording can go on: behind a whole command, outside MULTI … EXEC. */
export type SpoolState = {
  readonly lineage: LineageRecord;
  readonly replid: string;
  readonly offset: number;
  readonly database: number;
  /** Arrival of the last byte. */
  readonly lastMs: number;
};

export type FileEnd = SpoolState & {
  readonly startOffset: number;
};

type Scan = {
  readonly end: FileEnd;
  /** Everything behind this is cut off. */
  readonly keepBytes: number;
  /** The record that the cut falls into, shortened. */
  readonly rewrite: { readonly position: number; readonly bytes: Buffer } | null;
  readonly isChanged: boolean;
};

/**
 * Brings a file that was being written, by us or by a process that died, to its last cut. What is
 * behind it is asked for again. In place and in an order that leaves the file whole whenever the
 * process dies; needs no space on the disk. SPOOL_CORRUPT when the file has no head.
 */
export async function settleFile(path: string): Promise<FileEnd> {
  const scan = await scanFile(path);
  const file = await open(path, 'r+');
  try {
    if (scan.rewrite !== null) {
      await file.write(scan.rewrite.bytes, 0, RECORD_BYTES, scan.rewrite.position);
    }
    if (scan.isChanged) await file.truncate(scan.keepBytes);
    // A process that died may have written what the disk has not taken yet.
    await file.datasync();
  } finally {
    await file.close();
  }
  return scan.end;
}

/** Gives a settled file its closed name, or removes it when it holds no bytes. */
export async function closeFile(path: string, closedPath: string, isEmpty: boolean): Promise<void> {
  if (isEmpty) await rm(path, { force: true });
  else await rename(path, closedPath);
  await syncFolder(dirname(path));
}

/** The state at the last cut of a file, which is left as it is. */
export async function readFileEnd(path: string): Promise<FileEnd> {
  return (await scanFile(path)).end;
}

async function scanFile(path: string): Promise<Scan> {
  const reader = await SpoolReader.open(path);
  const { header } = reader;
  const scanner = new StreamScanner({ offset: header.startOffset, database: header.database });
  let { replid, lastMs } = header;
  let keepBytes = reader.end;
  let rewrite: Scan['rewrite'] = null;
  let atCutMs = lastMs;
  let atCutReplid = replid;
  try {
    for (let record = await reader.next(); record !== null; record = await reader.next()) {
      if (record.type === RECORD.replid) replid = record.payload.toString('latin1');
      if (record.type === RECORD.data) {
        if (record.offset !== scanner.offset) break;
        lastMs = record.atMs;
        if (!isReadable(scanner, record.payload)) break;
        if (scanner.cut > record.offset && scanner.cut < scanner.offset) {
          rewrite = shorten(record, scanner.cut);
          keepBytes = record.position + rewrite.bytes.length;
        }
      }
      if (scanner.cut === scanner.offset) {
        rewrite = null;
        keepBytes = reader.end;
      }
      if (record.type === RECORD.replid && scanner.cut === record.offset) atCutReplid = replid;
      if (record.type === RECORD.data && scanner.cut > record.offset) {
        atCutMs = lastMs;
        atCutReplid = replid;
      }
    }
  } finally {
    await reader.close();
  }
  const { size } = await stat(path);
  const end = {
    lineage: header.lineage,
    startOffset: header.startOffset,
    replid: atCutReplid,
    offset: scanner.cut,
    database: scanner.cutDatabase,
    lastMs: atCutMs,
  };
  return { end, keepBytes, rewrite, isChanged: size !== keepBytes };
}

/** What is no command is not gone on from; the scanner's last cut stays true. */
function isReadable(scanner: StreamScanner, bytes: Buffer): boolean {
  try {
    scanner.push(bytes, 0, bytes.length);
    return true;
  } catch (error) {
    if (isCoded(error, 'STREAM_CORRUPT')) return false;
    throw error;
  }
}

type DataRecord = {
  readonly type: number;
  readonly offset: number;
  readonly atMs: number;
  readonly sinceMs: number;
  readonly position: number;
  readonly payload: Buffer;
};

function shorten(record: DataRecord, cut: number): NonNullable<Scan['rewrite']> {
  const { type, offset, atMs, sinceMs, position } = record;
  const size = cut - offset;
  const bytes = Buffer.alloc(RECORD_BYTES + size);
  record.payload.copy(bytes, RECORD_BYTES, 0, size);
  writeRecordHead(bytes, 0, { type, size, offset, atMs, sinceMs });
  return { position, bytes };
}
