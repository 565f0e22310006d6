import { availableParallelism } from 'node:os';
import { CodedError, isCoded } from '../../base/index.ts';
import { EntrySelector, formatText, type LineHeader } from '../../entries/index.ts';
import { type PlannedBlock, planBlocks } from '../../repository/index.ts';
import { LongKeyLines } from '../long-keys/long-key-lines.ts';
import { ExportPool } from './export-pool.ts';
import type { ExportRequest } from './export-requests.ts';
import { emptyExportCounts, type ExportTally } from './export-tally.ts';
import type { ExportWriter } from './export-writer.ts';
import type { ExportedBlock, ExportOptions } from './exported-block.ts';
import { planKeys } from './planned-keys.ts';
import { SurveyedKey } from './surveyed-key.ts';
import { waitWhilePaused } from './wait-while-paused.ts';

const MAX_WORKERS = 8;

export type ExportPassOptions = {
  readonly request: ExportRequest;
  readonly encoding: ExportOptions;
  readonly writer: ExportWriter;
  readonly tally: ExportTally;
  /** Databases of the backup that are wanted, and their numbers in the export, all different. */
  readonly databases: readonly { readonly from: number; readonly to: number }[];
  readonly onProgress: (keys: number, bytes: number) => void;
};

type Job = { readonly planned: PlannedBlock; readonly exported: Promise<ExportedBlock> };

/**
 * One walk over the selected blocks of a backup, database by database: workers open and encode them
 * ahead, one thread writes what they give in order. Keys of several lines are read on this thread,
 * block by block, twice where their shape has to be known before their first byte is written.
 */
export class ExportPass {
  readonly #options: ExportPassOptions;
  readonly #workers: number;
  readonly #pool: ExportPool;
  readonly #selector: EntrySelector;
  readonly #jobs: Job[] = [];
  #db = 0;
  #keys = 0;
  #bytes = 0;

  constructor(options: ExportPassOptions) {
    this.#options = options;
    const { request, encoding } = options;
    this.#workers =
      request.workers ?? Math.max(1, Math.min(MAX_WORKERS, availableParallelism() - 1));
    this.#pool = new ExportPool(this.#workers, encoding);
    this.#selector = new EntrySelector(encoding.selection);
  }

  /** Throws what reading the repository and writing the output throw. */
  async run(): Promise<void> {
    try {
      for (const { from, to } of this.#options.databases) {
        this.#db = to;
        await this.#database(from);
      }
    } finally {
      await this.#pool.close();
    }
  }

  async #database(from: number): Promise<void> {
    const { request, encoding } = this.#options;
    const { repository, manifest, signal, control } = request;
    const selection = { ...encoding.selection, databases: [from] };
    for await (const keys of planKeys(planBlocks(repository, manifest, selection, signal))) {
      await waitWhilePaused(control, signal);
      signal?.throwIfAborted();
      if (keys.kind === 'long') {
        await this.#flush();
        await this.#longKey(keys.parts);
        continue;
      }
      const exported = this.#export(keys.planned);
      // Awaited in its turn; until then its failure is nobody's surprise.
      exported.catch(() => {});
      this.#jobs.push({ planned: keys.planned, exported });
      if (this.#jobs.length > this.#workers * 2 + 1) await this.#writeNext();
    }
    await this.#flush();
  }

  async #flush(): Promise<void> {
    while (this.#jobs.length > 0) await this.#writeNext();
  }

  async #export({ file, index, block }: PlannedBlock): Promise<ExportedBlock> {
    const { request } = this.#options;
    const [stored] = await file.readStored(index, 1, request.signal);
    const { rawLength, digest } = block;
    const nowMs = request.repository.clock.now();
    try {
      return await this.#pool.export({ stored, rawLength, digest, nowMs });
    } catch (error) {
      if (!isCoded(error, 'OBJECT_CORRUPT', 'JSONL_INVALID')) throw error;
      const object = file.record.name;
      const message = `Cannot export from ${object}: block ${index}: ${error.message}`;
      throw new CodedError(error.code, message, { object, cause: error });
    }
  }

  async #writeNext(): Promise<void> {
    const { planned, exported } = this.#jobs.shift() as Job;
    const { bytes, counts, problems, modules } = await exported;
    const { tally, writer } = this.#options;
    tally.add(planned.block.database, counts, problems);
    for (const name of modules) tally.modules.add(name);
    await writer.entries(this.#db, bytes);
    this.#advance(counts.selected, planned.block.rawLength);
  }

  async #longKey(parts: readonly PlannedBlock[]): Promise<void> {
    const { request } = this.#options;
    const lines = new LongKeyLines(parts, request.signal);
    const header = await lines.readHeader();
    const isWanted = this.#selector.wants(header);
    if (isWanted) await this.#writeLongKey(lines, header);
    const bytes = parts.reduce((sum, { block }) => sum + block.rawLength, 0);
    this.#advance(isWanted ? 1 : 0, bytes);
  }

  async #writeLongKey(lines: LongKeyLines, header: LineHeader): Promise<void> {
    const { request, encoding, tally, writer } = this.#options;
    const long = new SurveyedKey(lines, header, encoding, request.repository.clock.now());
    const outcome = await long.survey();
    const counts = { ...emptyExportCounts(), selected: 1 };
    const problems = typeof outcome === 'object' ? [{ key: formatText(long.key), ...outcome }] : [];
    if (outcome === 'expired') counts.expired = 1;
    else if (outcome?.code === 'failed') counts.failed = 1;
    else {
      await writer.longKey(this.#db, long);
      if (long.module !== '') tally.modules.add(long.module);
      counts.written = 1;
      counts.inexact = problems.length;
    }
    tally.add(header.db, counts, problems);
  }

  #advance(keys: number, bytes: number): void {
    this.#keys += keys;
    this.#bytes += bytes;
    this.#options.onProgress(this.#keys, this.#bytes);
  }
}
