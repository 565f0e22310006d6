import { assert } from '../../base/index.ts';
import { TYPE } from '../format.ts';
import type { StreamId, StreamInfo } from '../value-sink.ts';
import { appendBigLength, appendLength } from './length.ts';
import { StreamNodeBuilder } from './stream-node-builder.ts';
import { appendStreamGroups, appendStreamIdmp, hasNacked, isPlainIdmp } from './stream-tail.ts';
import { LIMIT } from './target-format.ts';
import { DRAIN_BYTES, type ValueBuffer } from './value-buffer.ts';

const ZERO: StreamId = { ms: 0n, seq: 0n };

/** Streams of all five formats: the oldest that carries what the stream has. */
export class StreamEncoder {
  readonly #buffer: ValueBuffer;
  readonly #nodes: StreamNodeBuilder;
  readonly #firstId = new Uint32Array(4);
  #entries = 0;
  #declared = -1;
  /** Once the stream leaves in pieces: entries of every further node, and nodes altogether. */
  #entriesPerNode = 0;
  #nodesPromised = 0;
  #type = 0;

  constructor(buffer: ValueBuffer) {
    this.#buffer = buffer;
    this.#nodes = new StreamNodeBuilder(buffer.out);
  }

  begin(count: number): void {
    if (this.#buffer.format.streamType === 0) this.#buffer.lose('stream');
    this.#nodes.begin();
    this.#entries = 0;
    this.#declared = count;
    this.#entriesPerNode = 0;
  }

  entry(msHigh: number, msLow: number, seqHigh: number, seqLow: number, pairs: number): void {
    const nodes = this.#nodes;
    if (nodes.isOpen && this.#isFull()) {
      nodes.closeNode();
      this.#drain();
    }
    if (this.#entries === 0) this.#firstId.set([msHigh, msLow, seqHigh, seqLow]);
    this.#entries++;
    nodes.entry(msHigh, msLow, seqHigh, seqLow, pairs);
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    this.#nodes.text(bytes, start, end);
  }

  #isFull(): boolean {
    const nodes = this.#nodes;
    if (this.#entriesPerNode > 0) return nodes.nodeEntries >= this.#entriesPerNode;
    return nodes.nodeEntries >= LIMIT.streamNodeEntries || nodes.nodeBytes >= LIMIT.streamNodeBytes;
  }

  /**
   * Lets closed nodes out of a large stream. How many nodes there will be is said before the first
   * of them, so that from then on each takes the same number of entries; and so is the type, before
   * anything is known that only newer types hold: the newest.
   */
  #drain(): void {
    const buffer = this.#buffer;
    const { nodes } = this.#nodes;
    if (!buffer.canDrain || this.#declared < 0 || buffer.out.length < DRAIN_BYTES) return;
    if (!buffer.draining) {
      const usual = Math.round(this.#entries / nodes);
      this.#entriesPerNode = Math.min(Math.max(usual, 1), LIMIT.streamNodeEntries);
      const left = Math.max(0, this.#declared - this.#entries);
      this.#nodesPromised = nodes + Math.ceil(left / this.#entriesPerNode);
      this.#type = buffer.format.streamType;
      buffer.sealCounted(this.#type, this.#nodesPromised);
    }
    buffer.drain();
  }

  end(info: StreamInfo): void {
    const buffer = this.#buffer;
    this.#nodes.closeNode();
    if (buffer.draining) {
      assert(this.#entries === this.#declared, 'a stream has as many entries as its producer said');
      assert(this.#nodes.nodes === this.#nodesPromised, 'a stream has as many nodes as announced');
    } else {
      this.#type = this.#chooseType(info);
    }
    this.#noteLosses(info);
    this.#appendTail(info);
    if (!buffer.draining) buffer.sealCounted(this.#type, this.#nodes.nodes);
  }

  /**
   * A stream without counters comes from before Redis 7.0; servers derive them when they load such
   * a stream, better than we could.
   */
  #chooseType(info: StreamInfo): number {
    const { streamType } = this.#buffer.format;
    const isNacked = hasNacked(info);
    const hasIdmp = !isPlainIdmp(info.idmp);
    if (info.entriesAdded === null && !isNacked && !hasIdmp) return TYPE.stream1;
    if (isNacked) return streamType;
    if (hasIdmp || info.idmp !== null) return Math.min(streamType, TYPE.stream4);
    return Math.min(streamType, TYPE.stream3);
  }

  #noteLosses(info: StreamInfo): void {
    const buffer = this.#buffer;
    const type = this.#type;
    if (type < TYPE.stream4 && !isPlainIdmp(info.idmp)) buffer.lose('stream-idmp');
    if (type < TYPE.stream5 && hasNacked(info)) buffer.lose('stream-nack');
    if (type < TYPE.stream2 && info.entriesAdded !== null) buffer.lose('stream-counters');
    if (type < TYPE.stream3) {
      const isActive = info.groups.some((g) => g.consumers.some((c) => c.activeAtMs !== null));
      if (isActive) buffer.lose('stream-active-times');
    }
  }

  #appendTail(info: StreamInfo): void {
    const { out } = this.#buffer;
    appendLength(out, this.#entries);
    this.#appendId(info.lastId);
    if (this.#type >= TYPE.stream2) {
      this.#appendId(info.firstId ?? this.#firstIdSeen());
      this.#appendId(info.maxDeletedId ?? ZERO);
      appendBigLength(out, info.entriesAdded ?? BigInt(this.#entries));
    }
    appendStreamGroups(out, this.#type, info.groups);
    if (this.#type >= TYPE.stream4) appendStreamIdmp(out, info.idmp);
  }

  #appendId(id: StreamId): void {
    appendBigLength(this.#buffer.out, id.ms);
    appendBigLength(this.#buffer.out, id.seq);
  }

  #firstIdSeen(): StreamId {
    if (this.#entries === 0) return ZERO;
    const [msHigh, msLow, seqHigh, seqLow] = this.#firstId;
    return {
      ms: (BigInt(msHigh) << 32n) | BigInt(msLow),
      seq: (BigInt(seqHigh) << 32n) | BigInt(seqLow),
    };
  }
}
