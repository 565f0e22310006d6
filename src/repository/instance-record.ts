import { CodedError } from '../base/index.ts';
import { BLOCK_BYTES, MAX_BLOCK_BYTES, sealBlock } from './data-file/block.ts';
import { openDataFile } from './data-file/data-file-reader.ts';
import { DataFileWriter } from './data-file/data-file-writer.ts';
import { instanceObject } from './layout.ts';
import type { DataFileRecord } from './records/manifest.ts';
import type { Repository } from './repository.ts';

/**
 * What belongs to a shard beside its entries (functions, script bodies, INFO, CONFIG …), as JSON
 * Lines that mean nothing to the repository. It lies in the same container as the entries: one slot
 * range, database 0, no filters; its `entries` are lines.
 */
export async function writeInstanceRecord(
  repository: Repository,
  place: { readonly source: string; readonly backup: string; readonly shard: string },
  lines: Iterable<unknown>,
  signal?: AbortSignal,
): Promise<DataFileRecord> {
  const { source, backup, shard } = place;
  const name = instanceObject(source, backup, shard);
  const header = { repository: repository.id, source, backup, shard, sequence: 0 };
  const identity = { ...header, kind: 'instance' } as const;
  const writer = await DataFileWriter.begin(repository.storage, name, identity, 1, signal);
  try {
    for (const block of cutBlocks(lines)) {
      const facts = { db: 0, range: 0, entries: block.lines, filter: null };
      await writer.append({ ...sealBlock(block.raw), ...facts }, signal);
    }
    return await writer.close(signal);
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** The lines of one instance record, parsed. OBJECT_MISSING, OBJECT_CORRUPT. */
export async function* readInstanceRecord(
  repository: Repository,
  record: DataFileRecord,
  signal?: AbortSignal,
): AsyncGenerator {
  const reader = await openDataFile(repository.storage, record, signal);
  for (const index of reader.blocks.keys()) {
    const text = (await reader.readBlock(index, signal)).toString('utf8');
    for (const line of text.split('\n')) {
      if (line !== '') yield parseLine(line, record.name);
    }
  }
}

function* cutBlocks(lines: Iterable<unknown>): Generator<{ raw: Buffer; lines: number }> {
  let pending: Buffer[] = [];
  let size = 0;
  for (const line of lines) {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    if (bytes.length > MAX_BLOCK_BYTES) {
      const found = `an instance line of ${bytes.length} bytes`;
      throw new CodedError('SOURCE_UNSUPPORTED', `Cannot store ${found}`);
    }
    if (pending.length > 0 && size + bytes.length > BLOCK_BYTES) {
      yield { raw: Buffer.concat(pending), lines: pending.length };
      pending = [];
      size = 0;
    }
    pending.push(bytes);
    size += bytes.length;
  }
  if (pending.length > 0) yield { raw: Buffer.concat(pending), lines: pending.length };
}

function parseLine(line: string, object: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    const message = `Cannot read '${object}': a line is no JSON`;
    throw new CodedError('OBJECT_CORRUPT', message, { object, cause });
  }
}
