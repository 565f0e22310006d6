import { createHash } from 'node:crypto';
import { CodedError, isCoded } from '../base/index.ts';
import {
  checkDataFileHeader,
  type DataFileReader,
  type DataFileRecord,
  type Manifest,
  openBlock,
  openDataFile,
  type Repository,
} from '../repository/index.ts';
import { BlockChecker } from './block-checker.ts';
import { type Finding, type FindingCode, messageOf } from './findings.ts';
import type { Pace } from './pace.ts';

/** So much is read at once where blocks are neighbours. */
const READ_BYTES = 8 << 20;

export type FileCheck = {
  readonly repository: Repository;
  readonly manifest: Manifest;
  readonly report: (finding: Finding) => void;
  /** Bytes read since the last call. */
  readonly progress: (bytes: number) => void;
  readonly pace: Pace;
  readonly signal?: AbortSignal | undefined;
};

/** Reads one data file from its first to its last byte and reports everything that is wrong. */
export async function verifyFile(
  check: FileCheck,
  record: DataFileRecord,
  checker: BlockChecker,
): Promise<void> {
  const { repository, report, signal } = check;
  const { storage } = repository;
  const say = (code: FindingCode, message: string) =>
    report({ code, object: record.name, message });
  try {
    const { size } = await storage.stat(record.name, signal);
    if (size !== record.size) {
      say('file-size', `'${record.name}' has ${size} bytes, not ${record.size}`);
      if (size < record.size) return;
    }
    await checkHeader(check, record);
    const reader = await openOrReport(check, record);
    if (reader !== undefined) await checker.beginFile(reader, signal);
    const digest = await readThrough(check, record, reader, checker);
    if (digest !== record.digest) say('file-digest', `'${record.name}' has ${digest}`);
  } catch (error) {
    signal?.throwIfAborted();
    say(isCoded(error, 'OBJECT_MISSING') ? 'file-missing' : 'file-unreadable', messageOf(error));
  }
}

async function checkHeader(check: FileCheck, record: DataFileRecord): Promise<void> {
  try {
    await checkDataFileHeader(check.repository, record, check.signal);
  } catch (error) {
    if (!isDamage(error)) throw error;
    check.report({ code: 'file-header', object: record.name, message: messageOf(error) });
  }
}

async function openOrReport(
  check: FileCheck,
  record: DataFileRecord,
): Promise<DataFileReader | undefined> {
  const { repository, manifest, report, signal } = check;
  try {
    const reader = await openDataFile(repository.storage, record, signal);
    if (record.kind === 'instance' || reader.slotRanges === manifest.slotRanges) return reader;
    const message = `'${record.name}' has ${reader.slotRanges} slot ranges`;
    report({ code: 'file-directory', object: record.name, message });
    return reader;
  } catch (error) {
    if (!isDamage(error)) throw error;
    report({ code: 'file-directory', object: record.name, message: messageOf(error) });
    return undefined;
  }
}

/** Hashes every byte in order and checks the blocks on the way; returns the file's digest. */
async function readThrough(
  check: FileCheck,
  record: DataFileRecord,
  reader: DataFileReader | undefined,
  checker: BlockChecker,
): Promise<string> {
  const { repository, progress, pace, signal } = check;
  const hash = createHash('sha256');
  const skipTo = async (from: number, to: number) => {
    for (let at = from; at < to; at += READ_BYTES) {
      const range = { start: at, end: Math.min(to, at + READ_BYTES) };
      await pace.take(range.end - range.start, signal);
      const bytes = await repository.storage.read(record.name, range, signal);
      hash.update(bytes);
      progress(bytes.length);
    }
  };
  let position = 0;
  const blocks = reader?.blocks ?? [];
  for (let first = 0; first < blocks.length; ) {
    await skipTo(position, blocks[first].offset);
    const count = countNeighbours(blocks, first);
    const last = blocks[first + count - 1];
    await pace.take(last.offset + last.storedLength - blocks[first].offset, signal);
    const stored = await reader!.readStored(first, count, signal);
    for (const [i, bytes] of stored.entries()) {
      hash.update(bytes);
      progress(bytes.length);
      position = blocks[first + i].offset + bytes.length;
      checkBlock(check, reader!, first + i, bytes, checker);
    }
    first += count;
  }
  await skipTo(position, record.size);
  return `sha256:${hash.digest('hex')}`;
}

/** How many blocks follow each other without a hole, up to READ_BYTES. */
function countNeighbours(blocks: DataFileReader['blocks'], first: number): number {
  let end = blocks[first].offset + blocks[first].storedLength;
  const limit = blocks[first].offset + READ_BYTES;
  let count = 1;
  for (; first + count < blocks.length; count++) {
    const next = blocks[first + count];
    if (next.offset !== end || end + next.storedLength > limit) break;
    end += next.storedLength;
  }
  return count;
}

function checkBlock(
  check: FileCheck,
  reader: DataFileReader,
  index: number,
  stored: Uint8Array,
  checker: BlockChecker,
): void {
  const object = reader.record.name;
  try {
    const raw = openBlock(stored, reader.blocks[index]);
    checker.checkBlock(index, raw);
  } catch (error) {
    const message = `Block ${index} of '${object}': ${messageOf(error)}`;
    const code = isCoded(error, 'JSONL_INVALID') ? 'block-lines' : 'block-corrupt';
    check.report({ code, object, block: index, message });
    checker.forgetParts();
  }
}

function isDamage(error: unknown): error is CodedError {
  return isCoded(error, 'OBJECT_CORRUPT', 'REPOSITORY_CORRUPT', 'REPOSITORY_UNSUPPORTED');
}
