import type { ValueSink } from '../../rdb/index.ts';

/** Keeps the range of a string's one text. */
export class TextSink implements ValueSink {
  bytes: Uint8Array = new Uint8Array(0);
  textStart = 0;
  textEnd = 0;

  begin(): void {}
  text(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.textStart = start;
    this.textEnd = end;
  }
  score(): void {}
  fieldExpireAt(): void {}
  streamEntry(): void {}
  streamEnd(): void {}
  arrayInsertIndex(): void {}
  arrayIndex(): void {}
  opaque(): void {}
  end(): void {}
}
