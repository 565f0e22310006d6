import { RdbStreamWriter } from '../../rdb/index.ts';
import type { ExportPreamble, ExportWriter, LongKey } from './export-writer.ts';
import type { ExportTarget } from './export-target.ts';
import { attributesOf } from './line-exporter.ts';
import type { ExportOutput } from './output/export-output.ts';

/** How many keys a database has, as far as that is known before. */
export type DatabaseSizes = ReadonlyMap<
  number,
  { readonly keys: number; readonly expiring: number }
>;

/** Before this version servers keep script bodies in their dumps. */
const FUNCTIONS_RDB = 10;
const AOF_BASE_RDB = 10;

/** An export as one RDB, as a server of the target's version would have saved it. */
export class RdbWriter implements ExportWriter {
  readonly #target: ExportTarget;
  readonly #output: ExportOutput;
  readonly #sizes: DatabaseSizes;
  readonly #rdb: RdbStreamWriter;
  #chunks: Buffer[] = [];
  #db = -1;

  /** `sizes`: by database of the export; one that is absent is not announced. */
  constructor(target: ExportTarget, output: ExportOutput, sizes: DatabaseSizes) {
    this.#target = target;
    this.#output = output;
    this.#sizes = sizes;
    this.#rdb = new RdbStreamWriter(target.format, (chunk) => this.#chunks.push(chunk));
  }

  async begin({ libraries, scripts, instantMs, rawBytes }: ExportPreamble): Promise<void> {
    const { family, version, format } = this.#target;
    const rdb = this.#rdb;
    rdb.aux(family === 'valkey' ? 'valkey-ver' : 'redis-ver', version);
    rdb.aux('redis-bits', '64');
    rdb.aux('ctime', String(Math.floor(instantMs / 1000)));
    rdb.aux('used-mem', String(rawBytes));
    if (format.rdbVersion >= AOF_BASE_RDB) rdb.aux('aof-base', '0');
    if (format.rdbVersion < FUNCTIONS_RDB) for (const script of scripts) rdb.aux('lua', script);
    for (const library of libraries) rdb.functionLibrary(library);
    await this.#drain();
  }

  async entries(db: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#select(db);
    this.#rdb.entries(bytes);
    await this.#drain();
  }

  async longKey(db: number, { header, key, expireAtMs, count, feed }: LongKey): Promise<void> {
    this.#select(db);
    const attributes = attributesOf(header, expireAtMs);
    this.#rdb.entry(key, 0, key.length, attributes, count < 0 ? undefined : count);
    await feed(this.#rdb, () => this.#drain());
  }

  async finish(): Promise<void> {
    this.#rdb.finish();
    await this.#drain();
  }

  #select(db: number): void {
    if (db === this.#db) return;
    this.#db = db;
    this.#rdb.selectDb(db);
    const size = this.#sizes.get(db);
    if (size !== undefined) this.#rdb.resizeDb(size.keys, size.expiring);
  }

  async #drain(): Promise<void> {
    const chunks = this.#chunks;
    this.#chunks = [];
    for (const chunk of chunks) await this.#output.write(chunk);
  }
}
