import { forwardPieces, TEXT_PIECE_BYTES, type ValueSink } from '../../rdb/index.ts';
import type { JsonTokens } from './json-tokens.ts';

const UNKNOWN = -1;

/**
 * One text on its way to a sink, in pieces of exactly TEXT_PIECE_BYTES: lines made elsewhere may
 * hold longer texts, or cut them into pieces of any size.
 */
export class LongText {
  /** What the line said that the text has; UNKNOWN for payloads. */
  #total = UNKNOWN;
  #taken = 0;
  #isOpen = false;
  /** What no full piece could be made of yet. */
  #held: Buffer = EMPTY;
  #heldBytes = 0;

  /** Forgets a text that was not finished. */
  clear(): void {
    this.#isOpen = false;
    this.#heldBytes = 0;
  }

  /**
   * Hands on the text that `tokens` has just read. `last`: the text ends with it. `total`: where a
   * text begins that is not whole, all its bytes, or -1 where nobody says.
   */
  take(tokens: JsonTokens, sink: ValueSink, last: boolean, total: number): void {
    const { text, textStart, textEnd } = tokens;
    const size = textEnd - textStart;
    if (!this.#isOpen) {
      this.#total = total;
      this.#taken = 0;
    }
    this.#taken += size;
    this.#checkSize(tokens, last);
    if (last && !this.#isOpen) {
      forwardPieces(sink, text, textStart, textEnd);
      return;
    }
    this.#isOpen = true;
    this.#hold(sink, text, textStart, textEnd);
    if (!last) return;
    sink.text(this.#held, 0, this.#heldBytes, true, this.#total);
    this.clear();
  }

  #checkSize(tokens: JsonTokens, last: boolean): void {
    const total = this.#total;
    if (total === UNKNOWN || (last ? this.#taken === total : this.#taken <= total)) return;
    const found = last ? `${this.#taken}` : `${this.#taken} or more`;
    throw tokens.wrong(`a text of ${total} bytes was announced, and ${found} have come`);
  }

  /** A full piece is kept back until more comes: it may be the last. */
  #hold(sink: ValueSink, text: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      if (this.#heldBytes === TEXT_PIECE_BYTES) {
        sink.text(this.#held, 0, TEXT_PIECE_BYTES, false, this.#total);
        this.#heldBytes = 0;
      }
      if (this.#held.length === 0) this.#held = Buffer.allocUnsafeSlow(TEXT_PIECE_BYTES);
      const size = Math.min(end - at, TEXT_PIECE_BYTES - this.#heldBytes);
      this.#held.set(text.subarray(at, at + size), this.#heldBytes);
      this.#heldBytes += size;
      at += size;
    }
  }
}

const EMPTY = Buffer.alloc(0);
