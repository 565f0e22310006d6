import { CodedError } from '../../base/index.ts';
import { JsonLineReader, type LineHeader } from '../../entries/index.ts';
import type { ValueSink } from '../../rdb/index.ts';
import type { PlannedBlock } from '../../repository/index.ts';

/** The lines of one key that takes several blocks: each of them holds nothing else. */
export class LongKeyLines {
  readonly #blocks: readonly PlannedBlock[];
  readonly #signal: AbortSignal | undefined;

  constructor(blocks: readonly PlannedBlock[], signal?: AbortSignal) {
    this.#blocks = blocks;
    this.#signal = signal;
  }

  /** The header of the first line. */
  async readHeader(): Promise<LineHeader> {
    const [{ file, index }] = this.#blocks;
    const raw = await file.readBlock(index, this.#signal);
    const reader = new JsonLineReader();
    reader.open(raw, 0, raw.length);
    reader.next();
    return reader.header;
  }

  /** Hands the whole value to a sink; `onBlock` is awaited behind each block. The last header. */
  async feed(sink: ValueSink, onBlock?: () => Promise<void>): Promise<LineHeader> {
    const reader = new JsonLineReader();
    for (const { file, index } of this.#blocks) {
      const raw = await file.readBlock(index, this.#signal);
      reader.open(raw, 0, raw.length);
      while (reader.next()) {
        if (reader.header.part === 0 && reader.lineStart > 0)
          throw notAlone(file.record.name, index);
        reader.readValue(sink);
      }
      await onBlock?.();
    }
    return reader.header;
  }
}

function notAlone(object: string, index: number): CodedError {
  const message = `Cannot restore from ${object}: block ${index} of a long key holds another key`;
  return new CodedError('OBJECT_CORRUPT', message, { object });
}
