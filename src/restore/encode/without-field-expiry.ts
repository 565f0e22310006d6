import type { ValueSink } from '../../rdb/index.ts';

/**
 * Drops the expiries of fields on the way to another sink, and counts them: for targets without.
 */
export class WithoutFieldExpiry implements ValueSink {
  lost = 0;
  readonly #sink: ValueSink;

  constructor(sink: ValueSink) {
    this.#sink = sink;
  }

  begin: ValueSink['begin'] = (kind, count) => this.#sink.begin(kind, count);
  text: ValueSink['text'] = (...text) => this.#sink.text(...text);
  score: ValueSink['score'] = (value) => this.#sink.score(value);
  streamEntry: ValueSink['streamEntry'] = (...id) => this.#sink.streamEntry(...id);
  streamEnd: ValueSink['streamEnd'] = (info) => this.#sink.streamEnd(info);
  arrayInsertIndex: ValueSink['arrayInsertIndex'] = (at) => this.#sink.arrayInsertIndex(at);
  arrayIndex: ValueSink['arrayIndex'] = (index) => this.#sink.arrayIndex(index);
  opaque: ValueSink['opaque'] = (value) => this.#sink.opaque(value);
  end: ValueSink['end'] = () => this.#sink.end();

  fieldExpireAt(): void {
    this.lost++;
  }
}
