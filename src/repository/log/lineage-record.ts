import { CodedError, isCoded } from '../../base/index.ts';
import { isLineageId, lineageObject, newLineageId } from '../layout.ts';
import { encodeDocument, MAX_DOCUMENT_BYTES, parseDocument } from '../records/document.ts';
import type { Fields } from '../records/fields.ts';
import type { Repository } from '../repository.ts';
import type { GapRecord, LineageRecord } from './log-records.ts';

const FORMAT = 'tidemark-lineage';
const ATTEMPTS = 100;
const SECOND_MS = 1000;

/** A lineage that is to begin; without an id it gets the one of its start and replid. */
export type NewLineage = Omit<LineageRecord, 'lineage'> & { readonly lineage?: string };

/**
 * Records that a lineage begins. Durable when resolved, before its first segment is stored. With an
 * id that is given, doing it again with the same facts changes nothing, with others OBJECT_EXISTS;
 * without one, a second of its own is found.
 */
export async function beginLineage(
  repository: Repository,
  source: string,
  wanted: NewLineage,
  signal?: AbortSignal,
): Promise<LineageRecord> {
  const { storage } = repository;
  let atMs = Date.parse(wanted.startedAt);
  for (let attempt = 1; ; attempt++) {
    const record = { ...wanted, lineage: wanted.lineage ?? newLineageId(atMs, wanted.replid) };
    const name = lineageObject(source, record.shard, record.lineage);
    const document = encodeLineage(record);
    try {
      await storage.put(name, document, signal);
      return record;
    } catch (error) {
      if (!isCoded(error, 'OBJECT_EXISTS') || attempt === ATTEMPTS) throw error;
      if (wanted.lineage === undefined) {
        atMs += SECOND_MS;
        continue;
      }
      const there = await storage.read(name, { maxBytes: MAX_DOCUMENT_BYTES }, signal);
      if (!there.equals(document)) throw error;
      return record;
    }
  }
}

function encodeLineage(record: LineageRecord): Buffer {
  const { lineage, shard, startedAt, startOffset, replid, server, databases, gap } = record;
  const members = { lineage, shard, startedAt, startOffset, replid, server, databases, gap };
  return encodeDocument(FORMAT, members);
}

/** OBJECT_MISSING, REPOSITORY_CORRUPT, REPOSITORY_UNSUPPORTED. */
export async function readLineage(
  repository: Repository,
  source: string,
  shard: string,
  lineage: string,
  signal?: AbortSignal,
): Promise<LineageRecord> {
  const name = lineageObject(source, shard, lineage);
  const bytes = await repository.storage.read(name, { maxBytes: MAX_DOCUMENT_BYTES }, signal);
  const fields = parseDocument(bytes, FORMAT, name);
  if (fields.text('lineage') !== lineage || fields.text('shard') !== shard) {
    throw new CodedError('REPOSITORY_CORRUPT', `Cannot read '${name}': it is of another place`, {
      object: name,
    });
  }
  const server = fields.fields('server');
  const gap = fields.fieldsOrNull('gap');
  return {
    lineage,
    shard,
    startedAt: fields.time('startedAt'),
    startOffset: fields.integer('startOffset'),
    replid: fields.text('replid', /^[0-9a-f]{40}$/),
    server: { family: server.text('family'), version: server.textOrNull('version') },
    databases: fields.isNull('databases') ? null : fields.integer('databases'),
    gap: gap === null ? null : readGap(gap),
  };
}

function readGap(fields: Fields): GapRecord {
  const lineage = fields.text('lineage');
  if (!isLineageId(lineage)) throw fields.inconsistent('its gap names no lineage');
  return {
    lineage,
    endOffset: fields.integer('endOffset'),
    endMs: fields.integer('endMs'),
    why: fields.text('why'),
    orphanFrom: fields.isNull('orphanFrom') ? null : fields.integer('orphanFrom'),
  };
}
