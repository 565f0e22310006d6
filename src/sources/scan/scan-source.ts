import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { assert, CodedError, isCoded, systemClock } from '../../base/index.ts';
import {
  displayAddress,
  parseInfo,
  type RedisAddress,
  type RedisConnection,
  type ServerIdentity,
} from '../../redis/index.ts';
import { ReplyError, replyPairs } from '../../resp/index.ts';
import type { RdbFormat } from '../../rdb/index.ts';
import type { OnChunk, RdbEnd, RdbOrigin } from '../rdb-byte-source.ts';
import { TokenBucket } from '../rate-limit.ts';
import { type Abilities, selectDatabase } from './abilities.ts';
import { BigKeyReader } from './big-key-reader.ts';
import { ElementSpool } from './element-spool.ts';
import { listKeys } from './key-pages.ts';
import { KeyReader, type ReadKey, type SizedKey } from './key-reader.ts';
import { RdbOutput } from './rdb-output.ts';
import {
  type BigKeyBounds,
  DEFAULT_BOUNDS,
  type ScanCounts,
  type ScanOptions,
  type ScanStream,
} from './scan-options.ts';

/** Values asked for at once, by their memory. */
const BATCH_BYTES = 1 << 20;
/** A rate may change while somebody waits for it. */
const MAX_WAIT_MS = 500;

export type ScanSetup = {
  readonly address: RedisAddress;
  readonly identity: ServerIdentity;
  readonly options: ScanOptions;
  readonly abilities: Abilities;
  readonly connections: readonly RedisConnection[];
  readonly databases: readonly number[];
  readonly format: RdbFormat | null;
};

/**
 * See ScanStream. Connections read pages of keys side by side; what they read is written in turn.
 */
export class ScanSource implements ScanStream {
  readonly origin: RdbOrigin = { kind: 'stream', length: null };
  readonly #setup: ScanSetup;
  readonly #bounds: BigKeyBounds;
  readonly #tempFolder: string;
  readonly #bucket: TokenBucket;
  readonly #readWhole: Record<string, number> = {};
  #vanished = 0;
  #changed = 0;
  #duplicates = 0;
  #bytes = 0;
  #output: RdbOutput | null = null;
  #isPaused = false;
  #isClosed = false;
  /** Closed from outside: what fails then fails for that. */
  #isInterrupted = false;
  #wake: () => void = () => {};
  #resumed: Promise<void> = Promise.resolve();
  /** Whose turn it is to write: the end of the last one's. */
  #turn: Promise<void> = Promise.resolve();

  constructor(setup: ScanSetup) {
    this.#setup = setup;
    this.#bounds = { ...DEFAULT_BOUNDS, ...setup.options.bigKeys };
    this.#tempFolder = setup.options.tempFolder ?? tmpdir();
    this.#bucket = new TokenBucket(this.#rate ?? 1, systemClock);
  }

  get counts(): ScanCounts {
    return {
      vanished: this.#vanished,
      changed: this.#changed,
      duplicates: this.#duplicates,
      readWhole: this.#readWhole,
      keyMetadata: this.#output?.keyMetadata ?? 0,
    };
  }

  async start(onChunk: OnChunk, signal?: AbortSignal): Promise<RdbEnd> {
    assert(this.#output === null, 'an RDB source starts once');
    const output = new RdbOutput(this.#setup.identity, (chunk) => {
      this.#bytes += chunk.length;
      onChunk(chunk, 0, chunk.length);
    });
    this.#output = output;
    const abort = () => this.close();
    signal?.addEventListener('abort', abort);
    if (signal?.aborted === true) abort();
    try {
      await this.#read(output);
      output.finish();
      return { bytes: this.#bytes };
    } catch (error) {
      throw this.#explain(error);
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#shut();
    }
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#resumed = new Promise((resolve) => (this.#wake = resolve));
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake();
  }

  close(): void {
    if (!this.#isClosed) this.#isInterrupted = true;
    this.#shut();
  }

  #shut(): void {
    this.#isClosed = true;
    this.resume();
    for (const conn of this.#setup.connections) conn.close();
  }

  async #read(output: RdbOutput): Promise<void> {
    const { connections, databases, format } = this.#setup;
    const [first] = connections;
    const swapsBefore = await countSwaps(first);
    await this.#readFunctions(first, output);
    if (format !== null) output.begin(format);
    for (const db of databases) {
      for (const conn of connections) await selectDatabase(conn, db);
      await this.#readDatabase(db, output);
    }
    if ((await countSwaps(first)) !== swapsBefore) {
      this.#setup.options.onNotice?.(
        'SWAPDB ran while the databases were read: keys may be missing, or in two databases',
      );
    }
  }

  async #readFunctions(conn: RedisConnection, output: RdbOutput): Promise<void> {
    const reply = await conn.attempt(['FUNCTION', 'LIST', 'WITHCODE']);
    if (reply instanceof ReplyError && reply.code === 'NOPERM') {
      this.#setup.options.onNotice?.(
        'Functions cannot be read: the user has no right to FUNCTION LIST',
      );
    }
    if (!Array.isArray(reply)) return;
    for (const library of reply) {
      const code = replyPairs(library).get('library_code');
      if (code instanceof Buffer) output.functionLibrary(code);
    }
  }

  /** Every connection takes the next page when it is done with one. */
  async #readDatabase(db: number, output: RdbOutput): Promise<void> {
    const { connections, options, abilities } = this.#setup;
    const pages = listKeys(connections[0], {
      selection: options.selection ?? {},
      scanType: abilities.scanType,
      tempFolder: this.#tempFolder,
      onDuplicates: (count) => (this.#duplicates += count),
    });
    const reading = connections.map((conn) => this.#readPages(conn, db, pages, output));
    try {
      await Promise.all(reading);
    } catch (error) {
      // The others stop at their next step; none may write once this has returned.
      this.#shut();
      await Promise.allSettled(reading);
      throw error;
    } finally {
      await pages.return();
    }
  }

  async #readPages(
    conn: RedisConnection,
    db: number,
    pages: AsyncGenerator<Buffer[], void, void>,
    output: RdbOutput,
  ): Promise<void> {
    const reader = new KeyReader(conn, this.#setup.abilities, this.#bounds);
    for (;;) {
      await this.#permission();
      const { value: page, done } = await pages.next();
      if (done === true) return;
      const sized = await reader.measure(page);
      this.#vanished += page.length - sized.length;
      for (const batch of inBatches(sized.filter(({ isBig }) => !isBig))) {
        await this.#readBatch(reader, db, batch, output);
      }
      for (const big of sized.filter(({ isBig }) => isBig)) {
        await this.#readBigKey(conn, reader, db, big, output);
      }
    }
  }

  async #readBatch(
    reader: KeyReader,
    db: number,
    batch: readonly SizedKey[],
    output: RdbOutput,
  ): Promise<void> {
    await this.#permission();
    const keys = await reader.read(batch);
    await this.#inTurn(() => {
      for (const key of keys) this.#writePayload(db, key, output);
    });
    await this.#account(keys.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0));
  }

  #writePayload(db: number, { key, payload, expireAtMs }: ReadKey, output: RdbOutput): void {
    if (payload === null) this.#vanished++;
    else output.payload(db, key, expireAtMs, payload);
  }

  async #readBigKey(
    conn: RedisConnection,
    reader: KeyReader,
    db: number,
    big: SizedKey,
    output: RdbOutput,
  ): Promise<void> {
    const { abilities } = this.#setup;
    const bounds = this.#bounds;
    const tempFolder = this.#tempFolder;
    const onPart = (bytes: number) => this.#account(bytes);
    const spool = new ElementSpool(tempFolder);
    try {
      const bigReader = new BigKeyReader({ conn, abilities, bounds, tempFolder, onPart });
      const read = await bigReader.read(big.key, big.bytes, spool);
      if (read.outcome === 'whole') {
        this.#readWhole[read.why] = (this.#readWhole[read.why] ?? 0) + 1;
        await this.#readBatch(reader, db, [big], output);
        return;
      }
      if (read.outcome === 'gone') {
        this.#vanished++;
        return;
      }
      if (read.changed) this.#changed++;
      const { kind, info } = read.elements;
      await this.#inTurn(async () => {
        const sink = output.value(db, big.key, read.expireAtMs);
        await spool.replay(kind, sink, info, () => this.#permission());
      });
    } finally {
      spool.close();
    }
  }

  /** Runs `write` when nobody else writes. */
  async #inTurn(write: () => void | Promise<void>): Promise<void> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    try {
      this.#checkOpen();
      await write();
    } finally {
      resolve();
    }
  }

  /** Waits while whoever takes the bytes, or whoever controls the run, wants it. */
  async #permission(): Promise<void> {
    const { control, signal } = this.#setup.options;
    for (;;) {
      this.#checkOpen();
      if (this.#isPaused) await this.#resumed;
      else if (control?.settings.paused === true) await control.changed(signal);
      else return;
    }
  }

  /** Bytes that came; waits as long as the rate wants. */
  async #account(bytes: number): Promise<void> {
    const { signal } = this.#setup.options;
    await this.#permission();
    for (let taken = bytes; ; taken = 0) {
      const rate = this.#rate;
      if (rate === undefined) return;
      this.#bucket.bytesPerSecond = rate;
      const waitMs = this.#bucket.take(taken);
      if (waitMs <= 0) return;
      await delay(Math.min(waitMs, MAX_WAIT_MS), undefined, signal ? { signal } : {});
      await this.#permission();
    }
  }

  get #rate(): number | undefined {
    const { control, bytesPerSecond } = this.#setup.options;
    return control === undefined ? bytesPerSecond : (control.settings.bytesPerSecond ?? undefined);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new CodedError('INTERRUPTED', 'Cannot go on reading: closed');
  }

  #explain(error: unknown): unknown {
    const { address, options } = this.#setup;
    const isInterrupted = this.#isInterrupted || options.signal?.aborted === true;
    if (isInterrupted && !isCoded(error, 'INTERRUPTED')) {
      return new CodedError('INTERRUPTED', 'Cannot go on reading: interrupted', { cause: error });
    }
    if (!isCoded(error, 'CONNECT_TIMEOUT')) return error;
    const node = displayAddress({ ...address, user: null, database: null });
    return new CodedError('SOURCE_STALLED', `Cannot go on reading ${node}: ${error.message}`, {
      cause: error,
    });
  }
}

/** Keys that are asked for at once. */
function* inBatches(keys: readonly SizedKey[]): Generator<SizedKey[], void, void> {
  let batch: SizedKey[] = [];
  let bytes = 0;
  for (const key of keys) {
    if (batch.length > 0 && bytes + key.bytes > BATCH_BYTES) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(key);
    bytes += key.bytes;
  }
  if (batch.length > 0) yield batch;
}

/** How often SWAPDB ran; undefined where the server does not tell. */
async function countSwaps(conn: RedisConnection): Promise<string | undefined> {
  const reply = await conn.attempt(['INFO', 'commandstats']);
  if (!(reply instanceof Buffer)) return undefined;
  const calls = /calls=(\d+)/.exec(parseInfo(reply.toString())['cmdstat_swapdb'] ?? '');
  return calls?.[1];
}
