import { assert } from '../../src/base/index.ts';
import {
  type OpaqueInfo,
  RdbCursor,
  RdbEntryReader,
  type RdbFormat,
  type StreamInfo,
  type ValueKind,
  type ValueSink,
} from '../../src/rdb/index.ts';
import {
  type ArrayItem,
  type Bytes,
  hashValue,
  scoreBits,
  setValue,
  streamValue,
  type ValueModel,
  zsetValue,
} from './model.ts';

/** Turns the calls of a decoder into the comparable model; `value` is there after `end`. */
export class ValueCollector implements ValueSink {
  value: ValueModel | undefined;
  #kind: ValueKind = 'string';
  #texts: Bytes[] = [];
  #pieces: Bytes[] = [];
  #scores: string[] = [];
  #expiries = new Map<number, number>();
  #entries: [id: string, texts: Bytes[]][] = [];
  #stream: StreamInfo | undefined;
  #insertIndex: string | null = null;
  #indexes: string[] = [];
  #opaque: OpaqueInfo | undefined;

  begin(kind: ValueKind): void {
    this.value = undefined;
    this.#kind = kind;
    this.#texts = [];
    this.#pieces = [];
    this.#scores = [];
    this.#expiries.clear();
    this.#entries = [];
    this.#insertIndex = null;
    this.#indexes = [];
  }

  text(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)).toString('latin1'));
    if (!last) return;
    const text = this.#pieces.join('');
    this.#pieces = [];
    (this.#kind === 'stream' ? this.#lastEntry() : this.#texts).push(text);
  }

  #lastEntry(): Bytes[] {
    const entry = this.#entries.at(-1);
    assert(entry !== undefined, 'an entry begins before its texts');
    return entry[1];
  }

  score(value: number): void {
    this.#scores.push(scoreBits(value));
  }

  fieldExpireAt(ms: number): void {
    this.#expiries.set(this.#texts.length / 2 - 1, ms);
  }

  streamEntry(msHigh: number, msLow: number, seqHigh: number, seqLow: number): void {
    const join = (high: number, low: number): bigint =>
      (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    this.#entries.push([`${join(msHigh, msLow)}-${join(seqHigh, seqLow)}`, []]);
  }

  streamEnd(info: StreamInfo): void {
    this.#stream = info;
  }

  arrayInsertIndex(index: bigint): void {
    this.#insertIndex = String(index);
  }

  arrayIndex(index: bigint): void {
    this.#indexes.push(String(index));
  }

  opaque(value: OpaqueInfo): void {
    this.#opaque = value;
  }

  end(): void {
    this.value = this.#build();
  }

  #build(): ValueModel {
    const texts = this.#texts;
    switch (this.#kind) {
      case 'string':
        return { kind: 'string', bytes: texts[0] };
      case 'list':
        return { kind: 'list', items: texts };
      case 'set':
        return setValue(texts);
      case 'zset':
        return zsetValue(texts.map((member, i) => [member, this.#scores[i]]));
      case 'hash': {
        const fields = texts.filter((_, i) => i % 2 === 0);
        return hashValue(
          fields.map((field, i) => [field, texts[i * 2 + 1], this.#expiries.get(i) ?? null]),
        );
      }
      case 'stream':
        return this.#buildStream();
      case 'array': {
        const items = texts.map((text, i): ArrayItem => [this.#indexes[i], text]);
        return { kind: 'array', insertIndex: this.#insertIndex, items };
      }
      case 'opaque': {
        const { moduleName = null, rdbType = -1 } = this.#opaque ?? {};
        return { kind: 'opaque', name: moduleName, rdbType, payload: texts[0] };
      }
    }
  }

  #buildStream(): ValueModel {
    const info = this.#stream;
    assert(info !== undefined, 'a stream ends with what it knows');
    const text = (id: { ms: bigint; seq: bigint }): string => `${id.ms}-${id.seq}`;
    const latin1 = (bytes: Uint8Array): Bytes => Buffer.from(bytes).toString('latin1');
    const { idmp } = info;
    return streamValue({
      entries: this.#entries,
      lastId: text(info.lastId),
      firstId: info.firstId === null ? null : text(info.firstId),
      maxDeletedId: info.maxDeletedId === null ? null : text(info.maxDeletedId),
      entriesAdded: info.entriesAdded === null ? null : String(info.entriesAdded),
      groups: info.groups.map((group) => ({
        name: latin1(group.name),
        lastId: text(group.lastId),
        entriesRead: group.entriesRead === null ? null : String(group.entriesRead),
        consumers: group.consumers.map((consumer) => ({
          name: latin1(consumer.name),
          seenAt: consumer.seenAtMs,
          activeAt: consumer.activeAtMs,
        })),
        pending: group.pending.map((pending) => {
          const owner = group.consumers[pending.consumer];
          return {
            id: text(pending.id),
            consumer: owner === undefined ? null : latin1(owner.name),
            deliveredAt: pending.deliveredAtMs,
            deliveries: Number(pending.deliveries),
          };
        }),
        timesApprox: false,
      })),
      idmp: idmp && {
        duration: Number(idmp.durationSeconds),
        maxSize: Number(idmp.maxSize),
        iidsAdded: Number(idmp.iidsAdded),
        iidsDuplicates: Number(idmp.iidsDuplicates),
        producers: idmp.producers.length,
        iids: idmp.producers.reduce((sum, producer) => sum + producer.iids.length, 0),
      },
    });
  }
}

export type CollectedKey = {
  readonly db: number;
  readonly key: Bytes;
  readonly expireAtMs: number;
  readonly idleSeconds: number;
  readonly frequency: number;
  readonly rdbType: number;
  readonly value: ValueModel;
};

/** All keys of a whole RDB file. */
export function collectKeys(file: Uint8Array, format: RdbFormat): CollectedKey[] {
  const reader = new RdbEntryReader(new RdbCursor(file, 0, file.length, 0), format, 0);
  const collector = new ValueCollector();
  const found: CollectedKey[] = [];
  while (reader.next()) {
    const { header } = reader;
    const key = Buffer.from(header.key.subarray(header.keyStart, header.keyEnd));
    reader.readValue(collector);
    found.push({
      db: header.db,
      key: key.toString('latin1'),
      expireAtMs: header.expireAtMs,
      idleSeconds: header.idleSeconds,
      frequency: header.frequency,
      rdbType: header.rdbType,
      value: collector.value as ValueModel,
    });
  }
  return found;
}

/** The value of a DUMP payload, footer unchecked, by wrapping it in a file of one key. */
export function collectPayload(payload: Uint8Array, format: RdbFormat): ValueModel {
  const file = Buffer.concat([
    Buffer.from('REDIS0000'),
    payload.subarray(0, 1),
    Buffer.from([1, 0x6b]),
    payload.subarray(1, payload.length - 10),
  ]);
  const keys = collectKeys(file, format);
  if (keys.length !== 1) throw new Error(`A payload held ${keys.length} values`);
  return keys[0].value;
}
