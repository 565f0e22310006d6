import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { CodedError } from '../../base/index.ts';

const CHUNK_BYTES = 1 << 20;
const CRC_DIGITS = 8;
const LF = 10;

/**
 * An append-only file of records, one a line: eight hexadecimal digits of CRC-32, a blank, JSON.
 * What `sync` has promised survives a crash of the machine; behind it, a torn tail is cut off when
 * the file is opened again. Throws STORAGE_FULL, STORAGE_READ_ONLY, STORAGE_FAILED.
 */
export class JournalFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  #waiting: string[] = [];
  #appended = 0;
  #durable = 0;
  #flushing: Promise<void> | undefined;
  #failure: Error | undefined;
  #closed = false;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** A file that must not be there yet. */
  static async create(path: string): Promise<JournalFile> {
    const handle = await attempt(path, () => open(path, 'wx', 0o600));
    return new JournalFile(path, handle);
  }

  /** Hands all whole records to `onRecord` and cuts off what is behind the last of them. */
  static async open(path: string, onRecord: (record: unknown) => void): Promise<JournalFile> {
    const handle = await attempt(path, () => open(path, 'r+'));
    try {
      const end = await attempt(path, () => readRecords(handle, onRecord));
      await attempt(path, () => handle.truncate(end));
      await attempt(path, () => handle.close());
      return new JournalFile(path, await attempt(path, () => open(path, 'a')));
    } catch (error) {
      await handle.close().catch(() => {});
      throw error;
    }
  }

  /** Queues a record; `sync` makes it durable, with all before it. */
  append(record: object): void {
    this.#waiting.push(formatRecord(record));
    this.#appended++;
  }

  /** Resolves when everything appended so far is durable. Calls at the same time share the work. */
  async sync(): Promise<void> {
    const wanted = this.#appended;
    while (this.#durable < wanted) {
      if (this.#failure !== undefined) throw this.#failure;
      this.#flushing ??= this.#flush();
      await this.#flushing;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.sync();
    } finally {
      await this.#handle.close();
    }
  }

  async #flush(): Promise<void> {
    const text = this.#waiting.join('');
    const appended = this.#appended;
    this.#waiting = [];
    try {
      await attempt(this.#path, async () => {
        await this.#handle.appendFile(text);
        await this.#handle.datasync();
      });
      this.#durable = appended;
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    } finally {
      this.#flushing = undefined;
    }
  }
}

export function formatRecord(record: object): string {
  const json = JSON.stringify(record);
  return `${crc32(json).toString(16).padStart(CRC_DIGITS, '0')} ${json}\n`;
}

/** The record of one line without its line end; undefined when it is damaged. */
export function parseRecord(line: Buffer): unknown {
  const crc = line.toString('latin1', 0, CRC_DIGITS);
  const json = line.subarray(CRC_DIGITS + 1);
  if (crc32(json).toString(16).padStart(CRC_DIGITS, '0') !== crc) return undefined;
  try {
    return JSON.parse(json.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** Gives the offset behind the last whole record. */
async function readRecords(
  handle: FileHandle,
  onRecord: (record: unknown) => void,
): Promise<number> {
  let rest: Buffer = Buffer.alloc(0);
  let end = 0;
  for (let at = 0; ; ) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return end;
    at += bytesRead;
    const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    let from = 0;
    for (let to = bytes.indexOf(LF); to >= 0; to = bytes.indexOf(LF, from)) {
      const record = parseRecord(bytes.subarray(from, to));
      if (record === undefined) return end;
      onRecord(record);
      end += to + 1 - from;
      from = to + 1;
    }
    rest = bytes.subarray(from);
  }
}

/** Runs file operations; what they throw becomes a CodedError that names the file. */
export async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof CodedError) throw cause;
    const { code = '', message } = cause as NodeJS.ErrnoException;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    const isReadOnly = code === 'EROFS' || code === 'EACCES' || code === 'EPERM';
    const name = isFull ? 'STORAGE_FULL' : isReadOnly ? 'STORAGE_READ_ONLY' : 'STORAGE_FAILED';
    const said = code === '' ? message : code;
    throw new CodedError(name, `Cannot use the task folder at ${path}: ${said}`, {
      hint: 'Choose another folder with --state',
      cause,
    });
  }
}
