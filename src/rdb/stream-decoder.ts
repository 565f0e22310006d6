import type { RdbCursor } from './cursor.ts';
import type { ListpackReader } from './encodings/listpack.ts';
import { be32 } from './byte-order.ts';
import { TYPE } from './format.ts';
import type {
  StreamConsumer,
  StreamGroup,
  StreamId,
  StreamIdmp,
  StreamPending,
  ValueSink,
} from './value-sink.ts';

const FLAG_DELETED = 1;
const FLAG_SAME_FIELDS = 2;
const UNKNOWN_COUNTER = 0xffff_ffff_ffff_ffffn;

/**
 * Streams, RDB types 15, 19, 21, 26, 27 (docs/formats/rdb.md, streams): nodes of entries, then the
 * counters, then consumer groups, then idempotent producers.
 */
export function decodeStream(
  cursor: RdbCursor,
  type: number,
  listpack: ListpackReader,
  sink: ValueSink,
): void {
  const version = VERSIONS[type];
  sink.begin('stream', -1);
  const nodes = cursor.length();
  let live = 0;
  for (let i = 0; i < nodes; i++) live += decodeNode(cursor, listpack, sink);
  const length = cursor.bigLength();
  if (length !== BigInt(live)) {
    throw cursor.corrupt(`a stream length of ${length} for ${live} entries`);
  }
  const lastId = readLengthId(cursor);
  const firstId = version >= 2 ? readLengthId(cursor) : null;
  const maxDeletedId = version >= 2 ? readLengthId(cursor) : null;
  const entriesAdded = version >= 2 ? cursor.bigLength() : null;
  const groups: StreamGroup[] = [];
  for (let left = cursor.length(); left > 0; left--) groups.push(decodeGroup(cursor, version));
  const idmp = version >= 4 ? decodeIdmp(cursor) : null;
  sink.streamEnd({ length, lastId, firstId, maxDeletedId, entriesAdded, groups, idmp });
}

const VERSIONS: Readonly<Record<number, number>> = {
  [TYPE.stream1]: 1,
  [TYPE.stream2]: 2,
  [TYPE.stream3]: 3,
  [TYPE.stream4]: 4,
  [TYPE.stream5]: 5,
};

/**
 * A node: 16 bytes of master id, then a listpack: count, deleted, number of master fields, the
 * names, 0; then per entry flags, id deltas, fields, and the number of elements before. Returns how
 * many entries are live.
 */
function decodeNode(cursor: RdbCursor, items: ListpackReader, sink: ValueSink): number {
  cursor.readString();
  if (cursor.textEnd - cursor.textStart !== 16) throw cursor.corrupt('a stream node id');
  const msHigh = be32(cursor.text, cursor.textStart);
  const msLow = be32(cursor.text, cursor.textStart + 4);
  const seqHigh = be32(cursor.text, cursor.textStart + 8);
  const seqLow = be32(cursor.text, cursor.textStart + 12);
  const at = cursor.offset;
  cursor.readString();
  items.open(cursor.text, cursor.textStart, cursor.textEnd, at);
  const count = nextInteger(items);
  const deleted = nextInteger(items);
  const masters = readMasterFields(items);
  let seen = 0;
  let live = 0;
  while (items.next()) {
    const flags = items.integer();
    const isLive = (flags & FLAG_DELETED) === 0;
    demand(items);
    // Deltas are added modulo 2^64, each half of the id by itself.
    const ms = msLow + items.lowWord;
    const msUpper = msHigh + items.highWord + (ms > 0xffff_ffff ? 1 : 0);
    demand(items);
    const seq = seqLow + items.lowWord;
    const seqUpper = seqHigh + items.highWord + (seq > 0xffff_ffff ? 1 : 0);
    const same = (flags & FLAG_SAME_FIELDS) !== 0;
    const pairs = same ? masters.length : nextInteger(items);
    if (isLive) sink.streamEntry(msUpper >>> 0, ms >>> 0, seqUpper >>> 0, seq >>> 0, pairs);
    for (let i = 0; i < pairs; i++) {
      if (same) {
        if (isLive) sink.text(masters[i], 0, masters[i].length, true, masters[i].length);
      } else forwardNext(items, isLive, sink);
      forwardNext(items, isLive, sink);
    }
    if (nextInteger(items) !== (same ? pairs + 3 : pairs * 2 + 4)) {
      throw items.corrupt('the element count of a stream entry');
    }
    seen++;
    if (isLive) live++;
  }
  if (seen !== count + deleted || live !== count) throw items.corrupt('the entries of a stream');
  return live;
}

function readMasterFields(items: ListpackReader): Uint8Array[] {
  const names: Uint8Array[] = [];
  for (let left = nextInteger(items); left > 0; left--) {
    demand(items);
    names.push(items.bytes.slice(items.start, items.end));
  }
  if (nextInteger(items) !== 0) throw items.corrupt('the master entry of a stream');
  return names;
}

function demand(items: ListpackReader): void {
  if (!items.next()) throw items.corrupt('a stream entry');
}

function nextInteger(items: ListpackReader): number {
  demand(items);
  const value = items.integer();
  if (value < 0) throw items.corrupt('a negative count');
  return value;
}

function forwardNext(items: ListpackReader, isLive: boolean, sink: ValueSink): void {
  demand(items);
  if (isLive) sink.text(items.bytes, items.start, items.end, true, items.end - items.start);
}

/** An id as two lengths. */
function readLengthId(cursor: RdbCursor): StreamId {
  const ms = cursor.bigLength();
  return { ms, seq: cursor.bigLength() };
}

/** An id as sixteen big-endian bytes. */
function readRawId(cursor: RdbCursor): StreamId {
  cursor.need(16);
  const { bytes, pos } = cursor;
  cursor.pos += 16;
  return {
    ms: (BigInt(be32(bytes, pos)) << 32n) | BigInt(be32(bytes, pos + 4)),
    seq: (BigInt(be32(bytes, pos + 8)) << 32n) | BigInt(be32(bytes, pos + 12)),
  };
}

type PendingSlot = { id: StreamId; consumer: number; deliveredAtMs: number; deliveries: bigint };

function decodeGroup(cursor: RdbCursor, version: number): StreamGroup {
  const name = cursor.copyString();
  const lastId = readLengthId(cursor);
  const read = version >= 2 ? cursor.bigLength() : UNKNOWN_COUNTER;
  const entriesRead = read === UNKNOWN_COUNTER ? null : read;
  const pending: PendingSlot[] = [];
  const byId = new Map<string, PendingSlot>();
  for (let left = cursor.length(); left > 0; left--) {
    const id = readRawId(cursor);
    const slot = { id, consumer: -1, deliveredAtMs: cursor.milliseconds(), deliveries: 0n };
    slot.deliveries = cursor.bigLength();
    pending.push(slot);
    byId.set(idKey(id), slot);
  }
  const consumers: StreamConsumer[] = [];
  for (let left = cursor.length(); left > 0; left--) {
    consumers.push(decodeConsumer(cursor, version, consumers.length, byId));
  }
  if (version >= 5) {
    for (let left = cursor.length(); left > 0; left--) findPending(cursor, byId);
  }
  return { name, lastId, entriesRead, consumers, pending: pending satisfies StreamPending[] };
}

function decodeConsumer(
  cursor: RdbCursor,
  version: number,
  index: number,
  byId: ReadonlyMap<string, PendingSlot>,
): StreamConsumer {
  const name = cursor.copyString();
  const seenAtMs = cursor.milliseconds();
  const activeAt = version >= 3 ? cursor.milliseconds() : -1;
  for (let left = cursor.length(); left > 0; left--) {
    findPending(cursor, byId).consumer = index;
  }
  return { name, seenAtMs, activeAtMs: activeAt === -1 ? null : activeAt };
}

function findPending(cursor: RdbCursor, byId: ReadonlyMap<string, PendingSlot>): PendingSlot {
  const slot = byId.get(idKey(readRawId(cursor)));
  if (slot === undefined) throw cursor.corrupt('a pending entry that its group does not have');
  return slot;
}

function idKey(id: StreamId): string {
  return `${id.ms}-${id.seq}`;
}

function decodeIdmp(cursor: RdbCursor): StreamIdmp {
  const durationSeconds = cursor.bigLength();
  const maxSize = cursor.bigLength();
  const producers: StreamIdmp['producers'][number][] = [];
  for (let left = cursor.length(); left > 0; left--) {
    const id = cursor.copyString();
    const iids: StreamIdmp['producers'][number]['iids'][number][] = [];
    for (let items = cursor.length(); items > 0; items--) {
      const iid = cursor.copyString();
      iids.push({ iid, entryId: readLengthId(cursor) });
    }
    producers.push({ id, iids });
  }
  const iidsAdded = cursor.bigLength();
  return { durationSeconds, maxSize, producers, iidsAdded, iidsDuplicates: cursor.bigLength() };
}
