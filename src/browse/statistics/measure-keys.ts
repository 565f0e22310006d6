import {
  type EntrySelection,
  EntrySelector,
  formatText,
  JsonLineReader,
  entryType,
} from '../../entries/index.ts';
import { NONE } from '../../rdb/index.ts';
import { type Manifest, planBlocks, type Repository } from '../../repository/index.ts';
import { type BigKey, BiggestKeys } from './biggest-keys.ts';
import { ElementCounter } from './element-counter.ts';
import { type PrefixNode, PrefixTree } from './prefix-tree.ts';

export type MeasureRequest = {
  readonly repository: Repository;
  readonly manifest: Manifest;
  readonly selection?: EntrySelection;
  /** One character between the parts of a key, default `:`. */
  readonly separator?: string;
  /** Parts of a key that the prefix tree looks at, default 3. */
  readonly depth?: number;
  /** How many of the biggest keys, default 20. */
  readonly biggest?: number;
  readonly onProgress?: (bytes: number, totalBytes: number, keys: number) => void;
  readonly signal?: AbortSignal;
};

/** What the selected keys of a backup amount to. Sizes are bytes as JSON Lines. */
export type KeyStatistics = {
  readonly keys: number;
  readonly bytes: number;
  readonly databases: readonly DatabaseStatistics[];
  readonly biggest: readonly BigKey[];
  readonly prefixes: readonly PrefixNode[];
};

export type DatabaseStatistics = {
  readonly db: number;
  readonly keys: number;
  readonly bytes: number;
  readonly types: Readonly<Record<string, Amount>>;
  /** By the names in EXPIRY_RANGES, in that order; time left at the instant of the backup. */
  readonly expiry: Readonly<Record<string, Amount>>;
  /** By the names in SIZE_RANGES, in that order. */
  readonly sizes: Readonly<Record<string, Amount>>;
};

export type Amount = { keys: number; bytes: number };

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

/** Upper ends, in milliseconds of time left. */
export const EXPIRY_RANGES: readonly (readonly [name: string, below: number])[] = [
  ['expired', 0],
  ['within 1 min', MINUTE],
  ['within 1 h', 60 * MINUTE],
  ['within 1 d', DAY],
  ['within 7 d', 7 * DAY],
  ['within 30 d', 30 * DAY],
  ['within 365 d', 365 * DAY],
  ['later', Infinity],
];
export const NO_EXPIRY = 'never';

/** Upper ends, in bytes. */
export const SIZE_RANGES: readonly (readonly [name: string, below: number])[] = [
  ['below 100 B', 100],
  ['below 1 KiB', 1 << 10],
  ['below 10 KiB', 10 << 10],
  ['below 100 KiB', 100 << 10],
  ['below 1 MiB', 1 << 20],
  ['below 10 MiB', 10 << 20],
  ['larger', Infinity],
];

/**
 * Reads the selected keys of a backup and sums them up, in memory that depends neither on their
 * number nor on their size. Throws what reading a repository throws.
 */
export async function measureKeys(request: MeasureRequest): Promise<KeyStatistics> {
  const { repository, manifest, selection = {}, signal, onProgress } = request;
  const measurement = new Measurement(request);
  const totalBytes = manifest.totals.rawBytes;
  let bytes = 0;
  for await (const { file, index } of planBlocks(repository, manifest, selection, signal)) {
    const raw = await file.readBlock(index, signal);
    measurement.addBlock(raw);
    bytes += raw.length;
    onProgress?.(bytes, totalBytes, measurement.keys);
  }
  return measurement.result();
}

class DatabaseSums {
  readonly types: Record<string, Amount> = {};
  readonly expiry: Record<string, Amount> = {};
  readonly sizes: Record<string, Amount> = {};
  keys = 0;
  bytes = 0;
}

class Measurement {
  readonly #reader = new JsonLineReader();
  readonly #selector: EntrySelector;
  readonly #tree: PrefixTree;
  readonly #biggest: BiggestKeys;
  readonly #counter = new ElementCounter();
  readonly #databases = new Map<number, DatabaseSums>();
  readonly #snapshotAtMs: number;
  /** Bytes of the parts so far of a key that takes several. */
  #partBytes = 0;
  keys = 0;

  constructor({ manifest, selection, separator = ':', depth = 3, biggest = 20 }: MeasureRequest) {
    this.#selector = new EntrySelector(selection ?? {});
    this.#tree = new PrefixTree({ separator: separator.charCodeAt(0), depth });
    this.#biggest = new BiggestKeys(biggest);
    this.#snapshotAtMs = Date.parse(manifest.snapshotAt);
  }

  addBlock(raw: Buffer): void {
    const reader = this.#reader;
    reader.open(raw, 0, raw.length);
    while (reader.next()) {
      const { header } = reader;
      if (!this.#selector.wants(header)) continue;
      const bytes = reader.lineEnd + 1 - reader.lineStart;
      if (header.part === 0 && !header.more) {
        // Elements are counted only where somebody will see them.
        const isBig = this.#biggest.wants(bytes);
        if (isBig) reader.readValue(this.#counter);
        this.#add(bytes, isBig);
        continue;
      }
      if (header.part === 0) this.#partBytes = 0;
      this.#partBytes += bytes;
      reader.readValue(this.#counter);
      if (!header.more) this.#add(this.#partBytes, true);
    }
  }

  #add(bytes: number, counted: boolean): void {
    const { header } = this.#reader;
    const { db, key, keyStart, keyEnd, expireAtMs } = header;
    const sums = this.#sumsOf(db);
    const type = entryType(header);
    const expires = expireAtMs !== NONE;
    this.keys++;
    sums.keys++;
    sums.bytes += bytes;
    addTo(sums.types, type, bytes);
    addTo(sums.sizes, rangeOf(SIZE_RANGES, bytes), bytes);
    const left = expireAtMs - this.#snapshotAtMs;
    addTo(sums.expiry, expires ? rangeOf(EXPIRY_RANGES, left) : NO_EXPIRY, bytes);
    this.#tree.add(key as Buffer, keyStart, keyEnd, bytes, expires);
    if (!counted || !this.#biggest.wants(bytes)) return;
    const name = formatText(key.subarray(keyStart, keyEnd));
    this.#biggest.add({ db, key: name, type, bytes, elements: this.#counter.elements });
  }

  #sumsOf(db: number): DatabaseSums {
    let sums = this.#databases.get(db);
    if (sums === undefined) {
      sums = new DatabaseSums();
      this.#databases.set(db, sums);
    }
    return sums;
  }

  result(): KeyStatistics {
    const databases = [...this.#databases]
      .sort(([a], [b]) => a - b)
      .map(([db, { keys, bytes, types, expiry, sizes }]) => ({
        db,
        keys,
        bytes,
        types,
        expiry: inOrder(expiry, [...EXPIRY_RANGES.map(([name]) => name), NO_EXPIRY]),
        sizes: inOrder(
          sizes,
          SIZE_RANGES.map(([name]) => name),
        ),
      }));
    return {
      keys: this.keys,
      bytes: databases.reduce((sum, { bytes }) => sum + bytes, 0),
      databases,
      biggest: this.#biggest.keys,
      prefixes: this.#tree.result(formatText),
    };
  }
}

function addTo(amounts: Record<string, Amount>, name: string, bytes: number): void {
  const amount = (amounts[name] ??= { keys: 0, bytes: 0 });
  amount.keys++;
  amount.bytes += bytes;
}

/** An instant that has come is over: at 0 ms left a key is expired. */
function rangeOf(ranges: readonly (readonly [string, number])[], value: number): string {
  for (const [name, below] of ranges)
    if (value < below || (below === 0 && value === 0)) return name;
  return ranges[ranges.length - 1][0];
}

function inOrder(amounts: Record<string, Amount>, names: readonly string[]) {
  return Object.fromEntries(
    names.flatMap((name) => (name in amounts ? [[name, amounts[name]]] : [])),
  );
}
