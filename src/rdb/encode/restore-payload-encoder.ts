import { assert } from '../../base/index.ts';
import { FOOTER_BYTES } from '../payload.ts';
import { appendFooter } from './footer.ts';
import type { TargetFormat } from './target-format.ts';
import { ValueEncoder } from './value-encoder.ts';

const NO_FOOTER = Buffer.alloc(FOOTER_BYTES);

/**
 * Builds the payload that RESTORE of one target takes: type, value, RDB version, checksum
 * (docs/formats/rdb.md, DUMP and RESTORE). Meant for values up to a few MiB, which are held whole;
 * larger ones are kinder to a server as commands.
 *
 * After `end` the payload is `[start, payloadEnd)` of `bytes`, this encoder's own buffer, valid
 * until the next `begin`; see `representable` and `inexact` before using it.
 */
export class RestorePayloadEncoder extends ValueEncoder {
  readonly #isSealed: boolean;
  #end = 0;

  /** `isSealed` false: room for version and checksum only, for a reader who cuts them off. */
  constructor(format: TargetFormat, isSealed = true) {
    super(format, null);
    this.#isSealed = isSealed;
  }

  override end(): void {
    super.end();
    const { buffer } = this;
    this.#end = buffer.start;
    if (!buffer.representable) return;
    if (this.#isSealed) appendFooter(buffer.out, buffer.start, this.neededVersion);
    else buffer.out.append(NO_FOOTER);
    this.#end = buffer.out.length;
  }

  get bytes(): Buffer {
    return this.buffer.out.bytes;
  }

  get start(): number {
    return this.buffer.start;
  }

  get payloadEnd(): number {
    return this.#end;
  }

  /** A copy of the payload, the caller's to keep. */
  copy(): Buffer {
    assert(this.representable, 'there is a payload');
    return Buffer.from(this.bytes.subarray(this.start, this.#end));
  }
}
