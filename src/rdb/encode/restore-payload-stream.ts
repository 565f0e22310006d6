import { createCrc64, updateCrc64, writeCrc64 } from '../kernels/crc64.ts';
import type { ValueKind } from '../value-sink.ts';
import type { TargetFormat } from './target-format.ts';
import { ValueEncoder } from './value-encoder.ts';

/** Takes a piece of a payload; it is valid during the call. */
export type PayloadSink = (bytes: Uint8Array, start: number, end: number) => void;

/**
 * Builds one RESTORE payload after another in pieces: for values that should not be held whole. The
 * number of elements must be known before the first of them, as for an RdbStreamWriter. The same
 * value gives the same bytes each time, so that a first run can find how many they are.
 */
export class RestorePayloadStream extends ValueEncoder {
  readonly #write: PayloadSink;
  #crc = createCrc64();
  #count: number;

  /** `count`: see the `count` of RdbStreamWriter.entry. */
  constructor(format: TargetFormat, count: number, write: PayloadSink) {
    super(format, {
      head: (type) => this.#emit(Uint8Array.of(type), 0, 1),
      body: (bytes, start, end) => this.#emit(bytes, start, end),
    });
    this.#count = count;
    this.#write = write;
  }

  override begin(kind: ValueKind, count: number): void {
    this.#crc = createCrc64();
    super.begin(kind, this.#count < 0 ? count : this.#count);
  }

  override end(): void {
    super.end();
    const { buffer } = this;
    if (!buffer.representable) return;
    if (!buffer.draining) this.#emit(buffer.out.bytes, buffer.start, buffer.out.length);
    const version = this.neededVersion;
    this.#emit(Uint8Array.of(version & 0xff, version >>> 8), 0, 2);
    const checksum = Buffer.alloc(8);
    writeCrc64(this.#crc, checksum, 0);
    this.#write(checksum, 0, checksum.length);
  }

  #emit(bytes: Uint8Array, start: number, end: number): void {
    updateCrc64(this.#crc, bytes, start, end);
    this.#write(bytes, start, end);
  }
}
