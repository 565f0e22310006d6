/**
 * What a listpack and a ziplist have in common for those who fill one: elements are appended to
 * the ByteBuilder given at construction, one container at a time.
 */
export interface CompactBuilder {
  /** Elements of the present container. */
  readonly count: number;
  /** Bytes of the present container, its end mark included. */
  readonly size: number;
  /** Begins a container where the ByteBuilder ends now. */
  begin(): void;
  /** Appends a text; the canonical decimal of an int64 is stored as that integer. */
  text(bytes: Uint8Array, start: number, end: number): void;
  /** Appends a safe integer. */
  integer(value: number): void;
  /** Completes header and end mark. */
  finish(): void;
}
