import { assert } from '../../base/index.ts';
import { TYPE } from '../format.ts';
import { INT64_TEXT_BYTES, parseCanonicalInt } from '../numbers/int-text.ts';
import { CompactBox } from './compact-box.ts';
import { IntsetBuilder } from './intset-builder.ts';
import { appendLength, appendString } from './length.ts';
import { LIMIT } from './target-format.ts';
import type { ValueBuffer } from './value-buffer.ts';

const INTEGERS = 0;
const COMPACT = 1;
const GENERIC = 2;

/** Sets: intset while all members are integers, then listpack where there is one, then strings. */
export class SetEncoder {
  readonly #buffer: ValueBuffer;
  readonly #box: CompactBox;
  readonly #integers = new IntsetBuilder();
  #form = INTEGERS;
  #count = 0;
  #declared = -1;

  constructor(buffer: ValueBuffer) {
    this.#buffer = buffer;
    this.#box = new CompactBox(buffer.out, buffer.format);
  }

  begin(count: number): void {
    this.#form = count > LIMIT.intsetMembers ? GENERIC : INTEGERS;
    this.#count = 0;
    this.#declared = count;
    this.#integers.begin();
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    this.#count++;
    if (this.#form === INTEGERS) {
      const size = end - start;
      if (size <= INT64_TEXT_BYTES && this.#count <= LIMIT.intsetMembers) {
        if (parseCanonicalInt(bytes, start, end)) {
          this.#integers.add();
          return;
        }
      }
      this.#leaveIntegers(size);
    }
    if (this.#form === COMPACT) {
      if (end - start <= LIMIT.textBytes && this.#count <= LIMIT.setMembers) {
        this.#box.builder.text(bytes, start, end);
        return;
      }
      this.#form = GENERIC;
      this.#box.unpack(this.#buffer.out, this.#buffer.bodyStart);
    }
    appendString(this.#buffer.out, bytes, start, end);
  }

  /** Makes room for a text of `total` bytes that follows raw. */
  longText(total: number): boolean {
    this.#count++;
    if (this.#form === INTEGERS) this.#leaveIntegers(total);
    if (this.#form === COMPACT) {
      this.#form = GENERIC;
      this.#box.unpack(this.#buffer.out, this.#buffer.bodyStart);
    }
    appendLength(this.#buffer.out, total);
    return true;
  }

  #leaveIntegers(nextBytes: number): void {
    const { out, format } = this.#buffer;
    if (
      format.setListpacks &&
      nextBytes <= LIMIT.textBytes &&
      this.#count <= LIMIT.setMembers &&
      this.#declared <= LIMIT.setMembers
    ) {
      this.#form = COMPACT;
      this.#box.builder.begin();
      this.#integers.forEachText((bytes, start, end) => {
        this.#box.builder.text(bytes, start, end);
      });
      return;
    }
    this.#form = GENERIC;
    this.#integers.forEachText((bytes, start, end) => {
      appendString(out, bytes, start, end);
    });
  }

  /** Fixes type and count for a value that leaves in pieces; false: it cannot. */
  settle(): boolean {
    if (this.#form !== GENERIC || this.#declared < 0) return false;
    this.#buffer.sealCounted(TYPE.set, this.#declared);
    return true;
  }

  end(): void {
    const buffer = this.#buffer;
    if (buffer.draining) {
      assert(this.#count === this.#declared, 'a set has as many members as its producer said');
    } else if (this.#form === INTEGERS) {
      this.#integers.appendTo(buffer.out);
      buffer.sealContainer(TYPE.setIntset);
    } else if (this.#form === COMPACT) {
      this.#box.builder.finish();
      buffer.sealContainer(TYPE.setListpack);
    } else {
      buffer.sealCounted(TYPE.set, this.#count);
    }
  }
}
