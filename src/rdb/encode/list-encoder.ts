import { assert } from '../../base/index.ts';
import { TYPE } from '../format.ts';
import { CompactBox } from './compact-box.ts';
import {
  appendLength,
  appendRawString,
  appendString,
  reserveLength,
  settleLength,
} from './length.ts';
import { LIMIT } from './target-format.ts';
import type { ValueBuffer } from './value-buffer.ts';

/** Quicklist2 containers (docs/formats/rdb.md, value types). */
const NODE_PLAIN = 1;
const NODE_PACKED = 2;

/** Most that a container adds to an element. */
const OVERHEAD_BYTES = 15;

const NODES = 0;
const ZIPLIST = 1;
const GENERIC = 2;

/**
 * Lists: quicklist nodes of about 8 KiB (listpacks from Redis 7.0 on, ziplists from 3.2 on), one
 * ziplist or plain strings before. Plain strings too where a list leaves in pieces: there the
 * number of nodes would have to be known before the first.
 */
export class ListEncoder {
  readonly #buffer: ValueBuffer;
  readonly #box: CompactBox;
  #form = NODES;
  #count = 0;
  #declared = -1;
  #nodes = 0;
  /** Where the length of the open node goes; -1: none is open. */
  #openAt = -1;

  constructor(buffer: ValueBuffer) {
    this.#buffer = buffer;
    this.#box = new CompactBox(buffer.out, buffer.format);
  }

  begin(count: number): void {
    this.#form = this.#buffer.format.quicklists ? NODES : ZIPLIST;
    this.#count = 0;
    this.#declared = count;
    this.#nodes = 0;
    this.#openAt = -1;
    if (this.#form === ZIPLIST) this.#box.builder.begin();
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    this.#count++;
    if (this.#form === NODES) {
      this.#appendToNode(bytes, start, end);
      return;
    }
    if (this.#form === ZIPLIST) {
      if (end - start <= LIMIT.textBytes && this.#count <= LIMIT.listItems) {
        this.#box.builder.text(bytes, start, end);
        return;
      }
      this.#form = GENERIC;
      this.#box.unpack(this.#buffer.out, this.#buffer.bodyStart);
    }
    appendString(this.#buffer.out, bytes, start, end);
  }

  longText(total: number): boolean {
    const { out, format, canDrain, bodyStart } = this.#buffer;
    if (this.#form === NODES) {
      if (canDrain && this.#declared >= 0) this.#unpackNodes();
      else if (!format.listpacks) return false;
      else {
        this.#closeNode();
        this.#nodes++;
        out.byte(NODE_PLAIN);
      }
    } else if (this.#form === ZIPLIST) {
      this.#form = GENERIC;
      this.#box.unpack(out, bodyStart);
    }
    this.#count++;
    appendLength(out, total);
    return true;
  }

  settle(): boolean {
    if (this.#declared < 0) return false;
    if (this.#form === ZIPLIST) return false;
    if (this.#form === NODES) this.#unpackNodes();
    this.#buffer.sealCounted(TYPE.list, this.#declared);
    return true;
  }

  end(): void {
    const buffer = this.#buffer;
    if (buffer.draining) {
      assert(this.#count === this.#declared, 'a list has as many items as its producer said');
    } else if (this.#form === NODES) {
      this.#closeNode();
      const type = buffer.format.listpacks ? TYPE.listQuicklist2 : TYPE.listQuicklist;
      buffer.sealCounted(type, this.#nodes);
    } else if (this.#form === ZIPLIST) {
      this.#box.builder.finish();
      buffer.sealContainer(TYPE.listZiplist);
    } else {
      buffer.sealCounted(TYPE.list, this.#count);
    }
  }

  #appendToNode(bytes: Uint8Array, start: number, end: number): void {
    const { out, format } = this.#buffer;
    const { builder } = this.#box;
    const size = end - start;
    if (size > LIMIT.listNodeBytes && format.listpacks) {
      this.#closeNode();
      this.#nodes++;
      out.byte(NODE_PLAIN);
      appendRawString(out, bytes, start, end);
      return;
    }
    if (this.#openAt >= 0 && builder.size + size + OVERHEAD_BYTES > LIMIT.listNodeBytes) {
      this.#closeNode();
    }
    if (this.#openAt < 0) {
      this.#nodes++;
      if (format.listpacks) out.byte(NODE_PACKED);
      this.#openAt = reserveLength(out);
      builder.begin();
    }
    builder.text(bytes, start, end);
  }

  #closeNode(): void {
    if (this.#openAt < 0) return;
    this.#box.builder.finish();
    settleLength(this.#buffer.out, this.#openAt);
    this.#openAt = -1;
  }

  /** Turns nodes into plain strings. */
  #unpackNodes(): void {
    this.#closeNode();
    this.#form = GENERIC;
    const { out, format, bodyStart } = this.#buffer;
    const nodes = Buffer.from(out.bytes.subarray(bodyStart, out.length));
    this.#buffer.restart();
    let at = 0;
    while (at < nodes.length) {
      const isPlain = format.listpacks && nodes[at++] === NODE_PLAIN;
      // Lengths as settleLength and appendRawString wrote them
      let size = nodes[at++];
      if (size >= 0x80) {
        size = nodes.readUInt32BE(at);
        at += 4;
      } else if (size >= 0x40) size = ((size & 0x3f) << 8) | nodes[at++];
      if (isPlain) appendRawString(out, nodes, at, at + size);
      else {
        this.#box.forEachText(nodes, at, at + size, (bytes, start, end) => {
          appendString(out, bytes, start, end);
        });
      }
      at += size;
    }
  }
}
