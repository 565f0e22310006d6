import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { CodedError } from '../base/index.ts';
import { openRdbFile, openRdbStream, type RdbByteSource } from '../sources/index.ts';
import { decompressZstd } from './import-zstd.ts';
import { Peekable } from './import-peekable.ts';

/** What files can be imported. */
export type ImportFormat = 'rdb' | 'jsonl';

type Compression = 'none' | 'gzip' | 'zstd';
type Chunks = AsyncIterable<Uint8Array>;

const READ_BYTES = 256 << 10;

/** `VALKEY080` has so many. */
const MAGIC_BYTES = 9;
/** More white space than this before the first line, and nobody can tell what it is. */
const SNIFF_BYTES = 4096;

/**
 * One file to import, or standard input. What it holds is found by its first bytes, also inside
 * gzip and zstd. A regular file is closed again after that look, and opened when its turn comes.
 */
export class ImportInput {
  readonly name: string;
  /** Bytes of the file as it lies there; null for a pipe. */
  readonly length: number | null;
  format: ImportFormat = 'rdb';
  /** Bytes read so far of the file as it lies there. */
  readBytes = 0;
  /** A regular file that is not compressed. */
  isPlainFile = false;
  /** Of a pipe: what was looked at and all that follows, decompressed. */
  #pipe: Peekable | undefined;
  /** What is being read. */
  #stream: Readable | undefined;
  readonly #source: () => Readable;
  readonly #path: string;

  private constructor(path: string, length: number | null, source: () => Readable) {
    this.name = path === '-' ? 'standard input' : path;
    this.#path = path;
    this.length = length;
    this.#source = source;
  }

  /**
   * Looks at a file (`-`: `stdin`) and says what it is, unless `format` does. Throws USAGE where
   * there is nothing to read, SOURCE_LOST where it cannot be read, SOURCE_GARBAGE where it cannot
   * be decompressed, SOURCE_UNSUPPORTED where it is something else.
   */
  static async open(file: string, stdin?: Readable, format?: ImportFormat): Promise<ImportInput> {
    if (file === '-') {
      if (stdin === undefined) {
        throw new CodedError('USAGE', 'Cannot read standard input: there is none');
      }
      const input = new ImportInput(file, null, () => stdin);
      await input.#look(format);
      return input;
    }
    const facts = await statFile(file);
    const source = (): Readable => createReadStream(file, { highWaterMark: READ_BYTES });
    const input = new ImportInput(file, facts.isFile() ? facts.size : null, source);
    await input.#look(format);
    return input;
  }

  async #look(format: ImportFormat | undefined): Promise<void> {
    const raw = this.#open();
    try {
      const compression = compressionOf(await raw.look(4));
      const plain = new Peekable(decompress(raw, compression, this.name));
      this.isPlainFile = this.length !== null && compression === 'none';
      if (this.length === null) this.#pipe = plain;
      try {
        this.format = format ?? (await sniff(plain, this.name));
      } finally {
        if (this.length !== null) await plain.close();
      }
    } catch (error) {
      this.close();
      throw error;
    }
    if (this.length === null) return;
    this.close();
    this.readBytes = 0;
  }

  #open(): Peekable {
    this.#stream = this.#source();
    return new Peekable(this.#counted(this.#stream));
  }

  /** What it holds, decompressed. Once only. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    if (this.#pipe !== undefined) {
      yield* this.#pipe;
      return;
    }
    const raw = this.#open();
    yield* decompress(raw, compressionOf(await raw.look(4)), this.name);
  }

  /** The same as the RDB that it is. Once only; the caller closes it. */
  async openRdb(): Promise<RdbByteSource> {
    if (this.isPlainFile) return await openRdbFile(this.#path);
    return openRdbStream(Readable.from(this.chunks(), { objectMode: false }));
  }

  /** Ends what is being read at once; whoever waits for more of it is told. Idempotent. */
  close(): void {
    this.#stream?.destroy();
  }

  async *#counted(chunks: Chunks): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of chunks) {
        this.readBytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      throw readError(this.name, error);
    }
  }
}

async function statFile(path: string) {
  let facts;
  try {
    facts = await stat(path);
  } catch (error) {
    throw readError(path, error);
  }
  if (!facts.isDirectory()) return facts;
  const names = await readdir(path).catch(() => []);
  if (names.some((name) => /\.aof(\.|$)/.test(name))) {
    throw new CodedError('SOURCE_UNSUPPORTED', `Cannot import ${path}: it is an AOF folder`, {
      hint: 'Import an AOF by itself: it makes a backup of its own',
    });
  }
  throw new CodedError('USAGE', `Cannot read ${path}: it is a folder, not a file`, {
    hint: 'Name RDB or JSON Lines files, or - for standard input',
  });
}

function readError(name: string, error: unknown): unknown {
  if (error instanceof CodedError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new CodedError(
    code === 'ENOENT' ? 'USAGE' : 'SOURCE_LOST',
    `Cannot read ${name}: ${code ?? message}`,
    { hint: 'Check the path and its permissions', cause: error },
  );
}

function compressionOf(head: Buffer): Compression {
  if (head.length < 4) return 'none';
  if (head.readUInt16LE(0) === 0x8b1f) return 'gzip';
  const magic = head.readUInt32LE(0);
  return magic === 0xfd2fb528 || (magic & ~15) >>> 0 === 0x184d2a50 ? 'zstd' : 'none';
}

function decompress(chunks: Chunks, compression: Compression, name: string): Chunks {
  if (compression === 'gzip') return decompressGzip(chunks, name);
  return compression === 'zstd' ? decompressZstd(chunks, name) : chunks;
}

/** All members of a gzip file. */
async function* decompressGzip(chunks: Chunks, name: string): AsyncGenerator<Buffer> {
  const decoder = createGunzip();
  const feeding = pipeline(Readable.from(chunks, { objectMode: false }), decoder);
  // The decoder's reader is told of what goes wrong.
  feeding.catch(() => {});
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
    await feeding;
  } catch (error) {
    if (error instanceof CodedError) throw error;
    const message = `Cannot decompress ${name}: ${(error as Error).message}`;
    const hint = 'The file is damaged or not complete: check it with gzip -t';
    throw new CodedError('SOURCE_GARBAGE', message, { hint, cause: error });
  } finally {
    decoder.destroy();
  }
}

/** What the first bytes say. */
async function sniff(input: Peekable, name: string): Promise<ImportFormat> {
  const text = /^(\uFEFF|\u00EF\u00BB\u00BF)?\s*/;
  const read = async (size: number) =>
    (await input.look(size)).subarray(0, size).toString('latin1');
  let head = (await read(MAGIC_BYTES)).replace(text, '');
  if (head === '') head = (await read(SNIFF_BYTES)).replace(text, '');
  if (/^(REDIS|VALKEY)/.test(head)) return 'rdb';
  if (head.startsWith('{')) return 'jsonl';
  if (head === '') throw unsupported(name, 'it is empty');
  if (/^(\*\d|#TS:)/.test(head)) {
    const hint =
      'Name an AOF by itself, as it lies in its folder, not compressed and not through -';
    throw unsupported(name, 'it is an AOF file', hint);
  }
  throw unsupported(name, 'it begins neither as RDB nor as JSON Lines');
}

function unsupported(name: string, found: string, hint?: string): CodedError {
  return new CodedError('SOURCE_UNSUPPORTED', `Cannot import ${name}: ${found}`, {
    hint: hint ?? 'Name RDB or JSON Lines files, plain or compressed by gzip or zstd',
  });
}
