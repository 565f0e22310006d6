import { type FileHandle, open } from 'node:fs/promises';
import { CodedError } from '../../base/index.ts';
import { spoolError } from './spool-error.ts';
import { parseHeader, type SpoolHeader } from './spool-header.ts';
import { isWhole, MAGIC, readRecordHead, RECORD, RECORD_BYTES } from './spool-record.ts';
import type { RecordHead } from './spool-record.ts';

export type SpoolRecord = RecordHead & {
  /** Of its head, in the file. */
  readonly position: number;
  /** Valid until `next` is called again. */
  readonly payload: Buffer;
};

const READ_BYTES = 256 << 10;

/** Reads one spool file from its beginning; holds it open until `close`. */
export class SpoolReader {
  readonly header: SpoolHeader;
  readonly path: string;
  /** Behind the last whole record that was given. */
  end: number;
  readonly #file: FileHandle;
  #buffer = Buffer.allocUnsafe(READ_BYTES);
  #from = 0;
  #to = 0;
  #position = 0;

  private constructor(file: FileHandle, path: string, header: SpoolHeader) {
    this.#file = file;
    this.path = path;
    this.header = header;
    this.end = 0;
  }

  /** SPOOL_CORRUPT when not even the header is whole. */
  static async open(path: string): Promise<SpoolReader> {
    const file = await open(path, 'r').catch((error: unknown) => {
      throw spoolError(`Cannot read the spool file ${path}`, error);
    });
    try {
      const reader = new SpoolReader(file, path, undefined as unknown as SpoolHeader);
      if (!(await reader.#fill(MAGIC.length)) || !reader.#take(MAGIC.length).equals(MAGIC)) {
        throw new CodedError('SPOOL_CORRUPT', `${path} is no spool file`);
      }
      const first = await reader.next();
      if (first?.type !== RECORD.header) {
        throw new CodedError('SPOOL_CORRUPT', `The spool file ${path} has no head`);
      }
      return Object.assign(reader, { header: parseHeader(first.payload, path) });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The next whole record; null where there is none, be it the end or damage. */
  async next(): Promise<SpoolRecord | null> {
    if (!(await this.#fill(RECORD_BYTES))) return null;
    const head = readRecordHead(this.#buffer.subarray(this.#from, this.#from + RECORD_BYTES));
    if (head === undefined || !(await this.#fill(RECORD_BYTES + head.size))) return null;
    return this.#takeRecord(head);
  }

  /**
   * The next whole record if it stands in memory; null where there is none, where it has to be
   * read, and on damage: `next` tells.
   */
  nextHeld(): SpoolRecord | null {
    const held = this.#to - this.#from;
    if (held < RECORD_BYTES) return null;
    const head = readRecordHead(this.#buffer.subarray(this.#from, this.#from + RECORD_BYTES));
    return head === undefined || held < RECORD_BYTES + head.size ? null : this.#takeRecord(head);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #takeRecord(head: RecordHead): SpoolRecord | null {
    const { type, size, offset, atMs, sinceMs, crc } = head;
    const position = this.#position;
    const from = this.#from;
    const payload = this.#buffer.subarray(from + RECORD_BYTES, from + RECORD_BYTES + size);
    if (!isWhole(this.#buffer.subarray(from, from + RECORD_BYTES), payload)) return null;
    this.#from += RECORD_BYTES + size;
    this.#position += RECORD_BYTES + size;
    this.end = this.#position;
    return { type, size, offset, atMs, sinceMs, crc, position, payload };
  }

  #take(size: number): Buffer {
    const bytes = this.#buffer.subarray(this.#from, this.#from + size);
    this.#from += size;
    this.#position += size;
    return bytes;
  }

  /** Makes `size` bytes stand in the buffer; false where the file has fewer. */
  async #fill(size: number): Promise<boolean> {
    if (this.#to - this.#from >= size) return true;
    const room = Math.max(READ_BYTES, size);
    const next = room > this.#buffer.length ? Buffer.allocUnsafe(room) : this.#buffer;
    this.#buffer.copy(next, 0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
    this.#buffer = next;
    while (this.#to < size) {
      const at = this.#position + this.#to;
      const { bytesRead } = await this.#file.read(next, this.#to, next.length - this.#to, at);
      if (bytesRead === 0) return false;
      this.#to += bytesRead;
    }
    return true;
  }
}
