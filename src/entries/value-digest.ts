import { ByteBuilder } from '../base/index.ts';
import type { OpaqueInfo, StreamIdmp, StreamInfo, ValueKind, ValueSink } from '../rdb/index.ts';
import { HashChain } from './hash-chain.ts';
import { visitVectorSet } from './vector-set.ts';

/** Equal `core`s: equal values. `counters` must agree too where both sides have them. */
export type ValueDigest = {
  /** 32 hexadecimal digits. */
  readonly core: string;
  /** Of a stream: the counters that older formats do not carry; null where they are not known. */
  readonly counters: string | null;
};

const KIND_SEED: Readonly<Record<ValueKind, number>> = {
  string: 1,
  list: 2,
  set: 3,
  hash: 4,
  zset: 5,
  stream: 6,
  array: 7,
  opaque: 8,
};

/**
 * Computes the digest of one value (docs/formats/entries.md, value digest): every element has a
 * hash of its own, and these are added up, so that the order of members, fields and consumers does
 * not count while that of list items and stream entries does (their place is hashed with them).
 * Scores count by their bits, -0 as 0. Not in it: key, database, key expiry, idle time, frequency,
 * seen and active times of consumers.
 */
export class ValueDigester implements ValueSink {
  readonly #chain = new HashChain();
  readonly #sum = new Uint32Array(4);
  readonly #core = Buffer.alloc(16);
  #kind: ValueKind = 'string';
  #index = 0;
  #slot = 0;
  #inText = false;
  #open = false;
  #counters: string | null = null;
  /** The payload of a vector set: servers write the same content in many ways. */
  readonly #payload = new ByteBuilder(64);
  #isVectorSet = false;

  begin(kind: ValueKind, _count: number): void {
    this.#kind = kind;
    this.#sum.fill(0);
    this.#index = 0;
    this.#slot = 0;
    this.#inText = false;
    this.#open = false;
    this.#counters = null;
    this.#isVectorSet = false;
  }

  text(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.#isVectorSet) {
      this.#payload.append(bytes, start, end);
      return;
    }
    if (!this.#inText) this.#beginText();
    this.#inText = !last;
    this.#chain.bytes(bytes, start, end);
    if (!last) return;
    this.#chain.endText();
    this.#endText();
  }

  #beginText(): void {
    switch (this.#kind) {
      case 'hash':
        if (this.#slot === 0) this.#beginElement();
        break;
      case 'list':
        this.#beginElement();
        this.#chain.number(this.#index++);
        break;
      case 'stream':
      case 'array':
      case 'opaque':
        break;
      default:
        this.#beginElement();
    }
  }

  #endText(): void {
    switch (this.#kind) {
      case 'hash':
        // The element stays open behind its value: an expiry of the field may follow.
        this.#slot = 1 - this.#slot;
        break;
      case 'zset':
      case 'stream':
        break;
      default:
        this.#endElement();
    }
  }

  #beginElement(): void {
    this.#endElement();
    this.#chain.begin(KIND_SEED[this.#kind]);
    this.#open = true;
  }

  #endElement(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#chain.addTo(this.#sum);
  }

  score(value: number): void {
    this.#chain.double(value === 0 ? 0 : value);
    this.#endElement();
  }

  fieldExpireAt(ms: number): void {
    this.#chain.double(ms);
  }

  streamEntry(msHigh: number, msLow: number, seqHigh: number, seqLow: number): void {
    this.#beginElement();
    this.#chain.number(msHigh);
    this.#chain.number(msLow);
    this.#chain.number(seqHigh);
    this.#chain.number(seqLow);
  }

  streamEnd(info: StreamInfo): void {
    this.#beginElement();
    this.#chain.ascii(`last ${info.lastId.ms}-${info.lastId.seq}`);
    for (const group of info.groups) {
      this.#beginElement();
      this.#chain.ascii('group');
      this.#chain.text(group.name);
      this.#chain.ascii(`${group.lastId.ms}-${group.lastId.seq}`);
      for (const consumer of group.consumers) {
        this.#beginElement();
        this.#chain.ascii('consumer');
        this.#chain.text(group.name);
        this.#chain.text(consumer.name);
      }
      for (const pending of group.pending) {
        this.#beginElement();
        this.#chain.ascii('pending');
        this.#chain.text(group.name);
        const owner = group.consumers[pending.consumer];
        if (owner === undefined) this.#chain.ascii('nobody');
        else this.#chain.text(owner.name);
        const { id, deliveredAtMs, deliveries } = pending;
        this.#chain.ascii(`${id.ms}-${id.seq} ${deliveredAtMs} ${deliveries}`);
      }
    }
    if (info.idmp !== null) this.#idmp(info.idmp);
    this.#endElement();
    this.#counters = digestCounters(info);
  }

  /** Without producers it is only a server's defaults, which older formats do not carry. */
  #idmp(idmp: StreamIdmp): void {
    for (const producer of idmp.producers) {
      this.#beginElement();
      this.#chain.ascii('producer');
      this.#chain.text(producer.id);
      for (const { iid, entryId } of producer.iids) {
        this.#chain.text(iid);
        this.#chain.ascii(`${entryId.ms}-${entryId.seq}`);
      }
    }
  }

  arrayInsertIndex(index: bigint): void {
    this.#beginElement();
    this.#chain.ascii(`insert ${index}`);
    this.#endElement();
  }

  arrayIndex(index: bigint): void {
    this.#beginElement();
    this.#chain.ascii(`${index}`);
  }

  opaque(value: OpaqueInfo): void {
    this.#beginElement();
    this.#chain.ascii(`${value.moduleName} ${value.rdbType}`);
    this.#isVectorSet = value.moduleName === 'vectorset';
    this.#payload.clear();
  }

  end(): void {
    if (this.#isVectorSet) this.#vectorSet();
    this.#endElement();
  }

  /** Its elements in any order, without the graph that is made of them. */
  #vectorSet(): void {
    const payload = this.#payload.view();
    const isRead = visitVectorSet(payload, {
      header: (numbers, projection) => {
        for (const value of numbers) this.#chain.ascii(`${value}`);
        if (projection !== undefined) this.#chain.text(projection);
      },
      element: (texts, norm) => {
        this.#beginElement();
        for (const part of texts) this.#chain.text(part);
        this.#chain.ascii(`${norm}`);
      },
    });
    if (!isRead) this.#chain.text(payload);
  }

  /** The digest of the value that ended last. */
  digest(): ValueDigest {
    this.writeCore(this.#core, 0);
    return { core: this.#core.toString('hex'), counters: this.#counters };
  }

  /** Of the value that ended last: `digest().counters`. */
  get counters(): string | null {
    return this.#counters;
  }

  /** Writes `digest().core` as its 16 bytes, without allocating anything. */
  writeCore(out: Uint8Array, at: number): void {
    const sum = this.#sum;
    const words = this.#core;
    for (let i = 0; i < 4; i++) {
      const word = sum[i];
      words[4 * i] = word;
      words[4 * i + 1] = word >>> 8;
      words[4 * i + 2] = word >>> 16;
      words[4 * i + 3] = word >>> 24;
    }
    this.#chain.begin(KIND_SEED[this.#kind]);
    this.#chain.text(words);
    this.#chain.write(out, at);
  }
}

/** Whether two digests are of equal values, as far as both sides know. */
export function equalDigests(a: ValueDigest, b: ValueDigest): boolean {
  if (a.core !== b.core) return false;
  return a.counters === null || b.counters === null || a.counters === b.counters;
}

function digestCounters(info: StreamInfo): string | null {
  if (info.entriesAdded === null || info.maxDeletedId === null) return null;
  const { ms, seq } = info.maxDeletedId;
  const read = info.groups.map((group) => String(group.entriesRead));
  return `${info.entriesAdded} ${ms}-${seq} ${read.join(' ')}`;
}
