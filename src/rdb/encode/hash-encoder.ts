import { assert } from '../../base/index.ts';
import { TYPE } from '../format.ts';
import { CompactBox } from './compact-box.ts';
import { HashExpiryEncoder } from './hash-expiry-encoder.ts';
import { appendLength, appendString } from './length.ts';
import { LIMIT } from './target-format.ts';
import type { ValueBuffer } from './value-buffer.ts';

const COMPACT = 0;
const GENERIC = 1;
const EXPIRING = 2;

/** Hashes: compact while small, then strings; and another form once a field has an expiry. */
export class HashEncoder {
  readonly #buffer: ValueBuffer;
  readonly #box: CompactBox;
  readonly #expiring: HashExpiryEncoder;
  #form = COMPACT;
  /** Fields and values together. */
  #texts = 0;
  #declared = -1;

  constructor(buffer: ValueBuffer) {
    this.#buffer = buffer;
    this.#box = new CompactBox(buffer.out, buffer.format);
    this.#expiring = new HashExpiryEncoder(buffer);
  }

  begin(count: number): void {
    this.#texts = 0;
    this.#declared = count;
    this.#form = COMPACT;
    this.#box.builder.begin();
    if (count > LIMIT.hashPairs) this.#leaveCompact();
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    if (this.#form === COMPACT) {
      if (end - start <= LIMIT.textBytes && this.#texts < LIMIT.hashPairs * 2) {
        this.#texts++;
        this.#box.builder.text(bytes, start, end);
        return;
      }
      this.#leaveCompact();
    }
    this.#texts++;
    if (this.#form === GENERIC) appendString(this.#buffer.out, bytes, start, end);
    else this.#expiring.text(bytes, start, end);
  }

  longText(total: number): boolean {
    if (this.#form === COMPACT) this.#leaveCompact();
    if (this.#form === EXPIRING) return false;
    this.#texts++;
    appendLength(this.#buffer.out, total);
    return true;
  }

  fieldExpireAt(ms: number): void {
    const buffer = this.#buffer;
    if (buffer.format.fieldExpiry === 'none') {
      buffer.lose('field-expiry');
      return;
    }
    if (this.#form !== EXPIRING) this.#becomeExpiring();
    this.#expiring.expireAt(ms);
  }

  /** Bytes that are not in the buffer yet. */
  get stagedBytes(): number {
    return this.#form === EXPIRING ? this.#expiring.stagedBytes : 0;
  }

  settle(): boolean {
    if (this.#declared < 0 || this.#form === COMPACT) return false;
    if (this.#form === EXPIRING) return this.#expiring.settle(this.#declared);
    this.#buffer.sealCounted(TYPE.hash, this.#declared);
    return true;
  }

  end(): void {
    const buffer = this.#buffer;
    const pairs = this.#texts / 2;
    if (buffer.draining) {
      assert(pairs === this.#declared, 'a hash has as many fields as its producer said');
    }
    if (this.#form === EXPIRING) {
      this.#expiring.end();
    } else if (buffer.draining) {
      return;
    } else if (this.#form === COMPACT) {
      this.#box.builder.finish();
      buffer.sealContainer(buffer.format.listpacks ? TYPE.hashListpack : TYPE.hashZiplist);
    } else {
      buffer.sealCounted(TYPE.hash, pairs);
    }
  }

  /**
   * A large hash that may have to leave before its end must have chosen its form by then, although
   * a field with an expiry may still come: where the target knows such fields, it takes that form.
   */
  #leaveCompact(): void {
    const { out, format, bodyStart, canDrain } = this.#buffer;
    if (canDrain && this.#declared >= 0 && format.fieldExpiry !== 'none') {
      this.#becomeExpiring();
      return;
    }
    this.#form = GENERIC;
    this.#box.unpack(out, bodyStart);
  }

  #becomeExpiring(): void {
    const { out, bodyStart } = this.#buffer;
    this.#expiring.begin();
    if (this.#form === COMPACT) {
      this.#box.builder.finish();
      this.#box.forEachText(out.bytes, bodyStart, out.length, (bytes, start, end) => {
        this.#expiring.text(bytes, start, end);
      });
    } else {
      this.#expiring.takeStrings(out.bytes, bodyStart, out.length);
    }
    this.#buffer.restart();
    this.#form = EXPIRING;
  }
}
