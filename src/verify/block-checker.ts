import {
  type DataFileReader,
  filterMayContain,
  keySlot,
  murmur3,
  slotRange,
} from '../repository/index.ts';
import { type EntryLine, scanEntryLines } from './entry-lines.ts';
import { type Finding, type FindingCode, messageOf } from './findings.ts';
import { isCoded } from '../base/index.ts';

/**
 * Compares the lines inside blocks with what directory and filters say about them. One for all
 * files of a shard, in order: a big key may go on in the next file.
 */
export class BlockChecker {
  /** Keys (or lines of instance records) seen so far. */
  entries = 0;
  readonly #report: (finding: Finding) => void;
  #reader: DataFileReader | undefined;
  #filters: (Uint8Array | undefined)[] = [];
  /** The part that has to come next, 0 when none is due; undefined after damage. */
  #duePart: number | undefined = 0;

  constructor(report: (finding: Finding) => void) {
    this.#report = report;
  }

  async beginFile(reader: DataFileReader, signal?: AbortSignal): Promise<void> {
    this.#reader = reader;
    this.#filters = [];
    for (const index of reader.filters.keys()) {
      this.#filters.push(await this.#readFilter(reader, index, signal));
    }
  }

  /** After a block that could not be read, nothing is known about the key at its end. */
  forgetParts(): void {
    this.#duePart = undefined;
  }

  /** Every big key must be complete when its shard ends. */
  endShard(object: string): void {
    if (this.#duePart === undefined || this.#duePart === 0) return;
    const message = `The last key of '${object}' is not complete`;
    this.#report({ code: 'block-parts', object, message });
  }

  /** Throws JSONL_INVALID where the block holds something else than lines of entries. */
  checkBlock(index: number, raw: Buffer): void {
    const reader = this.#reader!;
    const entries =
      reader.record.kind === 'instance' ? countLines(raw) : this.#checkEntries(index, raw);
    this.entries += entries;
    const expected = reader.blocks[index].entries;
    if (entries !== expected) this.#say('block-entries', index, `${entries}, not ${expected}`);
  }

  #checkEntries(index: number, raw: Buffer): number {
    const reader = this.#reader!;
    const block = reader.blocks[index];
    const filters = this.#filtersOf(index);
    const wrong = new Set<FindingCode>();
    let lines = 0;
    let entries = 0;
    scanEntryLines(raw, (line) => {
      if (lines === 0 && block.continues !== line.part > 0) wrong.add('block-parts');
      if (!this.#follows(line)) wrong.add('block-parts');
      lines++;
      if (line.part === 0) entries++;
      if (line.db !== block.database) wrong.add('block-database');
      const { keyBytes, keyStart, keyEnd } = line;
      const slot = keySlot(keyBytes, keyStart, keyEnd);
      if (slotRange(slot, reader.slotRanges) !== block.range) wrong.add('block-range');
      if (filters.length === 0 || line.part > 0) return;
      const hash = murmur3(keyBytes, keyStart, keyEnd);
      for (const { bits, probes } of filters) {
        if (!filterMayContain(bits, probes, hash)) wrong.add('filter-incomplete');
      }
    });
    for (const code of wrong) this.#say(code, index, 'see the directory');
    return entries;
  }

  #follows(line: EntryLine): boolean {
    const due = this.#duePart;
    this.#duePart = line.more ? line.part + 1 : 0;
    return due === undefined || line.part === due;
  }

  #filtersOf(index: number): { bits: Uint8Array; probes: number }[] {
    const { filters, blocks } = this.#reader!;
    const found: { bits: Uint8Array; probes: number }[] = [];
    for (const [i, filter] of filters.entries()) {
      const bits = this.#filters[i];
      const covers = index >= filter.firstBlock && index < filter.firstBlock + filter.blocks;
      if (bits === undefined || !covers || filter.range !== blocks[index].range) continue;
      found.push({ bits, probes: filter.probes });
    }
    return found;
  }

  async #readFilter(reader: DataFileReader, index: number, signal?: AbortSignal) {
    try {
      return await reader.readFilter(index, signal);
    } catch (error) {
      if (!isCoded(error, 'OBJECT_CORRUPT')) throw error;
      const object = reader.record.name;
      this.#report({ code: 'filter-corrupt', object, message: messageOf(error) });
      return undefined;
    }
  }

  #say(code: FindingCode, index: number, found: string): void {
    const object = this.#reader!.record.name;
    const message = `Block ${index} of '${object}': ${WRONG[code] ?? code}: ${found}`;
    this.#report({ code, object, block: index, message });
  }
}

const WRONG: Partial<Record<FindingCode, string>> = {
  'block-entries': 'it holds another number of keys',
  'block-database': 'it holds keys of another database',
  'block-range': 'it holds keys of another slot range',
  'block-parts': 'parts of a big key are missing or out of order',
  'filter-incomplete': 'the key filter misses a key of it',
};

function countLines(raw: Buffer): number {
  let lines = 0;
  for (let at = raw.indexOf(10); at >= 0; at = raw.indexOf(10, at + 1)) lines++;
  return lines;
}
