import type { StreamGroup, StreamId, StreamInfo, ValueSink } from '../../src/rdb/index.ts';
import { TEXT_PIECE_BYTES } from '../../src/rdb/index.ts';
import type { Bytes, GroupModel, StreamModel, ValueModel } from './model.ts';

/** Hands a value of the comparable model to a sink, as a decoder or parser would. */
export type FeedOptions = {
  /** Whether the number of elements is told beforehand, as a dump's reader can; default no. */
  readonly counted?: boolean;
  /** The RDB version and dialect under which an opaque value travels; default 9, redis. */
  readonly rdbVersion?: number;
};

export function feedValue(sink: ValueSink, value: ValueModel, options: FeedOptions = {}): void {
  const count = (n: number): number => (options.counted === true ? n : -1);
  switch (value.kind) {
    case 'string':
      sink.begin('string', value.bytes.length);
      feedText(sink, value.bytes);
      break;
    case 'list':
    case 'set': {
      const texts = value.kind === 'list' ? value.items : value.members;
      sink.begin(value.kind, count(texts.length));
      for (const text of texts) feedText(sink, text);
      break;
    }
    case 'hash':
      sink.begin('hash', count(value.fields.length));
      for (const [field, text, expireAt] of value.fields) {
        feedText(sink, field);
        feedText(sink, text);
        if (expireAt !== null) sink.fieldExpireAt(expireAt);
      }
      break;
    case 'zset':
      sink.begin('zset', count(value.members.length));
      for (const [member, bits] of value.members) {
        feedText(sink, member);
        sink.score(Buffer.from(bits, 'hex').readDoubleBE());
      }
      break;
    case 'stream':
      feedStream(sink, value.stream, count(value.stream.entries.length));
      break;
    case 'array':
      sink.begin('array', count(value.items.length));
      if (value.insertIndex !== null) sink.arrayInsertIndex(BigInt(value.insertIndex));
      for (const [index, text] of value.items) {
        sink.arrayIndex(BigInt(index));
        feedText(sink, text);
      }
      break;
    case 'opaque':
      sink.begin('opaque', -1);
      sink.opaque({
        rdbType: value.rdbType,
        rdbVersion: options.rdbVersion ?? 9,
        dialect: (options.rdbVersion ?? 9) >= 80 ? 'valkey' : 'redis',
        moduleName: value.name,
      });
      feedText(sink, value.payload);
      break;
    case 'vectorset':
      throw new Error('Vector sets travel as opaque values');
  }
  sink.end();
}

function feedText(sink: ValueSink, text: Bytes): void {
  const bytes = Buffer.from(text, 'latin1');
  let at = 0;
  for (; bytes.length - at > TEXT_PIECE_BYTES; at += TEXT_PIECE_BYTES) {
    sink.text(bytes, at, at + TEXT_PIECE_BYTES, false, bytes.length);
  }
  sink.text(bytes, at, bytes.length, true, bytes.length);
}

function feedStream(sink: ValueSink, stream: StreamModel, count: number): void {
  sink.begin('stream', count);
  const word = (value: bigint, shift: bigint): number => Number((value >> shift) & 0xffffffffn);
  for (const [text, texts] of stream.entries) {
    const { ms, seq } = idOf(text);
    const words = [word(ms, 32n), word(ms, 0n), word(seq, 32n), word(seq, 0n)] as const;
    sink.streamEntry(...words, texts.length / 2);
    for (const part of texts) feedText(sink, part);
  }
  sink.streamEnd(streamInfo(stream));
}

export function streamInfo(stream: StreamModel): StreamInfo {
  const { idmp } = stream;
  return {
    length: BigInt(stream.entries.length),
    lastId: idOf(stream.lastId),
    firstId: optionalId(stream.firstId),
    maxDeletedId: optionalId(stream.maxDeletedId),
    entriesAdded: optionalCount(stream.entriesAdded),
    groups: stream.groups.map(groupInfo),
    idmp:
      idmp === null || idmp === undefined
        ? null
        : {
            durationSeconds: BigInt(idmp.duration),
            maxSize: BigInt(idmp.maxSize),
            producers: [],
            iidsAdded: BigInt(idmp.iidsAdded),
            iidsDuplicates: BigInt(idmp.iidsDuplicates),
          },
  };
}

function groupInfo(group: GroupModel): StreamGroup {
  return {
    name: Buffer.from(group.name, 'latin1'),
    lastId: idOf(group.lastId),
    entriesRead: optionalCount(group.entriesRead),
    consumers: group.consumers.map((consumer) => ({
      name: Buffer.from(consumer.name, 'latin1'),
      seenAtMs: consumer.seenAt ?? 0,
      activeAtMs: consumer.activeAt ?? null,
    })),
    pending: group.pending.map((pending) => ({
      id: idOf(pending.id),
      consumer: group.consumers.findIndex(({ name }) => name === pending.consumer),
      deliveredAtMs: pending.deliveredAt,
      deliveries: BigInt(pending.deliveries),
    })),
  };
}

function idOf(text: string): StreamId {
  const [ms = '0', seq = '0'] = text.split('-');
  return { ms: BigInt(ms), seq: BigInt(seq) };
}

function optionalId(text: string | null | undefined): StreamId | null {
  return text === null || text === undefined ? null : idOf(text);
}

function optionalCount(text: string | null | undefined): bigint | null {
  return text === null || text === undefined ? null : BigInt(text);
}
