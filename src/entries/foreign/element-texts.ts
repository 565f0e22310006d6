import { NONE, type ValueSink } from '../../rdb/index.ts';
import type { LineHeader } from '../json-reader.ts';
import type { JsonTokens } from './json-tokens.ts';
import { LongText } from './long-text.ts';

/** Which text of an element: `elementMore` names it so. */
export type Slot = 'name' | 'value';

/**
 * The texts of one key's elements on their way to a sink, over all its lines: a line may end inside
 * one, and the next goes on with it. Counts elements too, where the key says how many it has.
 */
export class ElementTexts {
  /** The line before ended inside a text of this slot: it is what comes next. */
  continues: Slot | '' = '';
  /** Elements that are complete. */
  count = 0;
  readonly #tokens: JsonTokens;
  readonly #header: LineHeader;
  readonly #text = new LongText();
  #isCut = false;
  #declared = NONE;

  constructor(tokens: JsonTokens, header: LineHeader) {
    this.#tokens = tokens;
    this.#header = header;
  }

  beginKey(): void {
    this.#text.clear();
    this.continues = '';
    this.count = 0;
    this.#declared = this.#header.kind === 'string' ? NONE : this.#header.count;
  }

  beginLine(): void {
    this.#isCut = false;
  }

  /** Hands on the whole of a key's one text, or this line's piece of it. */
  takeOnly(sink: ValueSink): void {
    this.#text.take(this.#tokens, sink, !this.#header.more, this.#header.count);
  }

  /**
   * Hands on the text just read. `mayBeCut`: nothing follows it in this line, so that it is the one
   * that `elementMore` speaks of. True: it goes on in the next line.
   */
  take(sink: ValueSink, slot: Slot, mayBeCut: boolean): boolean {
    const { elementMore, elementBytes } = this.#header;
    const isCut = mayBeCut && elementMore === slot;
    const total = isCut && this.continues === '' ? elementBytes : NONE;
    if (isCut && this.continues === '' && total === NONE) {
      throw this.#tokens.wrong('"elementMore" where a text begins needs "elementBytes"');
    }
    this.#text.take(this.#tokens, sink, !isCut, total);
    this.continues = isCut ? slot : '';
    this.#isCut ||= isCut;
    return isCut;
  }

  /** An element is complete. */
  complete(): void {
    this.count++;
    if (this.#declared !== NONE && this.count > this.#declared) {
      throw this.#tokens.wrong(`more elements than the ${this.#declared} that were announced`);
    }
  }

  /** The line has no element, so it cannot go on with one. */
  refuseRest(): void {
    if (this.continues !== '') throw this.#tokens.invalid('the rest of the text before');
  }

  endLine(): void {
    if (this.#header.elementMore !== '' && !this.#isCut) {
      throw this.#tokens.wrong('"elementMore", but no such text at the end of the line');
    }
  }

  endKey(): void {
    const { kind } = this.#header;
    if (this.#declared !== NONE && this.count !== this.#declared) {
      throw this.#tokens.wrong(`${this.#declared} elements were announced, ${this.count} came`);
    }
    const holdsElements = kind !== 'string' && kind !== 'stream' && kind !== 'opaque';
    if (holdsElements && this.count === 0) throw this.#tokens.wrong(`a ${kind} without elements`);
  }
}
