import type { ByteBuilder } from '../../base/index.ts';
import { ListpackReader } from '../encodings/listpack.ts';
import { ZiplistReader } from '../encodings/ziplist.ts';
import type { CompactBuilder } from './compact-builder.ts';
import { appendString } from './length.ts';
import { ListpackBuilder } from './listpack-builder.ts';
import type { TargetFormat } from './target-format.ts';
import { ZiplistBuilder } from './ziplist-builder.ts';

/** The compact container of a target, and the way back out of it when a value grows too large. */
export class CompactBox {
  readonly builder: CompactBuilder;
  readonly #reader: ListpackReader | ZiplistReader;

  constructor(out: ByteBuilder, format: TargetFormat) {
    this.builder = format.listpacks ? new ListpackBuilder(out) : new ZiplistBuilder(out);
    this.#reader = format.listpacks ? new ListpackReader() : new ZiplistReader();
  }

  /** Gives the texts of a finished container, which must not lie where `take` writes. */
  forEachText(
    box: Uint8Array,
    start: number,
    end: number,
    take: (bytes: Uint8Array, start: number, end: number) => void,
  ): void {
    this.#reader.open(box, start, end, start);
    while (this.#reader.next()) take(this.#reader.bytes, this.#reader.start, this.#reader.end);
  }

  /** Replaces the container that `out` holds from `from` on by its texts as RDB strings. */
  unpack(out: ByteBuilder, from: number): void {
    this.builder.finish();
    const box = Buffer.from(out.bytes.subarray(from, out.length));
    out.length = from;
    this.forEachText(box, 0, box.length, (bytes, start, end) => {
      appendString(out, bytes, start, end);
    });
  }
}
