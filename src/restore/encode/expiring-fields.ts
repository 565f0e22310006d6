import { ByteBuilder } from '../../base/index.ts';
import { forwardPieces, type StreamInfo, type ValueKind, type ValueSink } from '../../rdb/index.ts';
import { EXPIRED, expiryOf, NO_EXPIRY, type TtlRules } from '../policies.ts';

/**
 * Applies the expiry policy to the fields of a hash on their way to another sink: a field whose
 * time is over is left out, as a key would be; the others get the expiry that the policy says. A
 * pair is held until it is known whether its field expires.
 */
export class ExpiringFields implements ValueSink {
  /** Fields of the present hash that were handed on. */
  kept = 0;
  readonly #sink: ValueSink;
  readonly #rules: TtlRules;
  nowMs = 0;
  readonly #field = new ByteBuilder(256);
  readonly #value = new ByteBuilder(256);
  #slot = 0;
  #holds = false;

  constructor(sink: ValueSink, rules: TtlRules) {
    this.#sink = sink;
    this.#rules = rules;
  }

  begin(kind: ValueKind, _count: number): void {
    this.kept = 0;
    this.#slot = 0;
    this.#holds = false;
    this.#sink.begin(kind, -1);
  }

  text(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.#slot === 0 && this.#holds) this.#release();
    const into = this.#slot === 0 ? this.#field : this.#value;
    into.append(bytes, start, end);
    if (!last) return;
    this.#holds = this.#slot === 1;
    this.#slot = 1 - this.#slot;
  }

  fieldExpireAt(ms: number): void {
    const expireAtMs = expiryOf(ms, this.#rules, this.nowMs);
    if (expireAtMs === EXPIRED) {
      this.#forget();
      return;
    }
    this.#release();
    if (expireAtMs !== NO_EXPIRY) this.#sink.fieldExpireAt(expireAtMs);
  }

  end(): void {
    if (this.#holds) this.#release();
    this.#sink.end();
  }

  #release(): void {
    this.kept++;
    for (const part of [this.#field, this.#value]) {
      forwardPieces(this.#sink, part.bytes, 0, part.length);
    }
    this.#forget();
  }

  #forget(): void {
    this.#holds = false;
    this.#field.clear();
    this.#value.clear();
  }

  score(value: number): void {
    this.#sink.score(value);
  }
  streamEntry(): void {}
  streamEnd(_info: StreamInfo): void {}
  arrayInsertIndex(): void {}
  arrayIndex(): void {}
  opaque(): void {}
}
