import type { BlockRecord, DataFileReader, PlannedBlock } from '../../repository/index.ts';
import type { Unit } from './block-units.ts';
import type { DigestedBlocks, StoredBlock } from './digest-messages.ts';
import type { DigestPool } from './digest-pool.ts';
import type { Spill } from './spill.ts';

/** So much is read by one request and digested by one thread in one go. */
const RUN_BYTES = 1 << 20;
const RUN_RAW_BYTES = 4 << 20;

/** Neighbouring blocks of one file. */
type Run = { readonly file: DataFileReader; readonly first: number; count: number };

type Digesting = { readonly digested: Promise<DigestedBlocks>; readonly bytes: number };

export type DigestingOptions = {
  readonly pool: DigestPool;
  readonly spill: Spill;
  /** Runs that may be under way at a time. */
  readonly atOnce: number;
  /** Stored bytes that have been dealt with since the last call. */
  readonly onRead: (bytes: number) => void;
  readonly signal: AbortSignal | undefined;
};

/** Reads the units of one side and puts the records of their keys into its spill. */
export class SideDigester {
  readonly #options: DigestingOptions;
  readonly #jobs: Digesting[] = [];
  #run: Run | undefined;
  #runBytes = 0;
  #runRawBytes = 0;

  constructor(options: DigestingOptions) {
    this.#options = options;
  }

  async add({ blocks, isLong }: Unit): Promise<void> {
    if (isLong) {
      await this.#addLong(blocks);
      return;
    }
    const [{ file, index, block }] = blocks;
    if (this.#run === undefined || !this.#fits(this.#run, file, index, block)) {
      await this.#startRun();
      this.#run = { file, first: index, count: 0 };
      this.#runBytes = 0;
      this.#runRawBytes = 0;
    }
    this.#run.count++;
    this.#runBytes += block.storedLength;
    this.#runRawBytes += block.rawLength;
  }

  /** Everything that was added has its records in the spill. */
  async finish(): Promise<void> {
    await this.#startRun();
    while (this.#jobs.length > 0) await this.#takeNext();
  }

  #fits(run: Run, file: DataFileReader, index: number, block: BlockRecord): boolean {
    if (file !== run.file || index !== run.first + run.count) return false;
    const last = file.blocks[index - 1];
    return (
      block.offset === last.offset + last.storedLength &&
      this.#runBytes + block.storedLength <= RUN_BYTES &&
      this.#runRawBytes + block.rawLength <= RUN_RAW_BYTES
    );
  }

  async #startRun(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    if (run === undefined) return;
    const digested = this.#digest(run);
    // Awaited in its turn; until then its failure is nobody's surprise.
    digested.catch(() => {});
    this.#jobs.push({ digested, bytes: this.#runBytes });
    if (this.#jobs.length >= this.#options.atOnce) await this.#takeNext();
  }

  /**
   * One block after the other: whoever reads a long key needs its blocks in order. The next is read
   * while one is digested.
   */
  async #addLong(blocks: Unit['blocks']): Promise<void> {
    const read = ({ file, index }: PlannedBlock): Promise<StoredBlock[]> => {
      const stored = this.#read({ file, first: index, count: 1 });
      stored.catch(() => {});
      return stored;
    };
    let next = read(blocks[0]);
    for (const [i, { file, index, block }] of blocks.entries()) {
      const stored = await next;
      if (i + 1 < blocks.length) next = read(blocks[i + 1]);
      const digested = this.#options.pool.digest(stored, true, placeIn(file, index));
      await this.#take({ digested, bytes: block.storedLength });
    }
  }

  async #digest(run: Run): Promise<DigestedBlocks> {
    const stored = await this.#read(run);
    return await this.#options.pool.digest(stored, false, placeIn(run.file, run.first));
  }

  async #read({ file, first, count }: Run): Promise<StoredBlock[]> {
    const stored = await file.readStored(first, count, this.#options.signal);
    return stored.map((bytes, i): StoredBlock => {
      const { rawLength, digest } = file.blocks[first + i];
      return { stored: bytes, rawLength, digest };
    });
  }

  async #takeNext(): Promise<void> {
    await this.#take(this.#jobs.shift() as Digesting);
  }

  async #take({ digested, bytes }: Digesting): Promise<void> {
    const { spill, signal, onRead } = this.#options;
    await spill.add(await digested);
    signal?.throwIfAborted();
    onRead(bytes);
  }
}

/** Names one of some neighbouring blocks in a message. */
function placeIn(file: DataFileReader, first: number): (block: number) => string {
  return (block) => `${file.record.name}, block ${first + block}`;
}
