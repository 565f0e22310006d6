import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { CodedError, RunControl } from '../base/index.ts';
import { RateControlledRdb } from './rate-controlled-rdb.ts';
import type { OnChunk, RdbByteSource, RdbEnd, RdbOrigin } from './rdb-byte-source.ts';

export type SpoolOptions = {
  /** A folder on a local disk with room for the whole RDB. */
  readonly folder: string;
  /** Applied to what leaves the spool: the source itself is read as fast as it sends. */
  readonly bytesPerSecond?: number;
  /** Rate and pause of what leaves the spool; its rate counts then. */
  readonly control?: RunControl;
  /** Told when everything has been received and the source is free again. */
  readonly onReceived?: (bytes: number) => void;
};

const READ_BYTES = 256 << 10;

/**
 * Takes a whole RDB onto local disk before handing it on, so that a slow reader or a rate limit
 * keeps no child of the source alive. The file has no name once it is open: it vanishes with the
 * process, however that ends. Throws STORAGE_FULL and STORAGE_FAILED beside the source's own codes.
 */
export class SpooledRdb implements RdbByteSource {
  readonly origin: RdbOrigin;
  readonly #flow: RateControlledRdb;

  constructor(source: RdbByteSource, options: SpoolOptions) {
    const { bytesPerSecond = null, control = new RunControl({ bytesPerSecond }) } = options;
    this.origin = source.origin;
    this.#flow = new RateControlledRdb(new Spool(source, options), control);
  }

  async start(onChunk: OnChunk, signal?: AbortSignal): Promise<RdbEnd> {
    return await this.#flow.start(onChunk, signal);
  }

  pause(): void {
    this.#flow.pause();
  }

  resume(): void {
    this.#flow.resume();
  }

  close(): void {
    this.#flow.close();
  }
}

/** The spool itself: receives at full speed whatever the reader does, and can be paused behind. */
class Spool implements RdbByteSource {
  readonly origin: RdbOrigin;
  readonly #source: RdbByteSource;
  readonly #options: SpoolOptions;
  #isPaused = false;
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(source: RdbByteSource, options: SpoolOptions) {
    this.#source = source;
    this.#options = options;
    this.origin = source.origin;
  }

  async start(onChunk: OnChunk, signal?: AbortSignal): Promise<RdbEnd> {
    const file = this.#open();
    const wake = (): void => this.#wake();
    signal?.addEventListener('abort', wake);
    try {
      const end = await this.#receive(file, signal);
      this.#source.close();
      this.#options.onReceived?.(end.bytes);
      await this.#replay(file, end.bytes, onChunk, signal);
      return end;
    } finally {
      signal?.removeEventListener('abort', wake);
      closeSync(file);
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#source.close();
    this.#wake();
  }

  #open(): number {
    const path = join(this.#options.folder, `tidemark-spool-${process.pid}-${Date.now()}`);
    try {
      const file = openSync(path, 'wx+', 0o600);
      rmSync(path);
      return file;
    } catch (error) {
      throw spoolError(`Cannot make a spool in '${this.#options.folder}'`, error);
    }
  }

  async #receive(file: number, signal?: AbortSignal): Promise<RdbEnd> {
    return await this.#source.start((buffer, start, end) => {
      try {
        for (let at = start; at < end; ) at += writeSync(file, buffer, at, end - at);
      } catch (error) {
        throw spoolError('Cannot write to the spool', error);
      }
    }, signal);
  }

  async #replay(
    file: number,
    bytes: number,
    onChunk: OnChunk,
    signal?: AbortSignal,
  ): Promise<void> {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let at = 0; at < bytes; ) {
      await this.#permission(signal);
      const read = readSync(file, buffer, 0, buffer.length, at);
      if (read === 0) throw spoolError('Cannot read the spool back', new Error('it is short'));
      at += read;
      onChunk(buffer, 0, read);
      await turn();
    }
    // The last bytes are held back like all others.
    await this.#permission(signal);
  }

  async #permission(signal?: AbortSignal): Promise<void> {
    const isOver = () => this.#isClosed || signal?.aborted === true;
    while (this.#isPaused && !isOver()) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (isOver()) throw new CodedError('INTERRUPTED', 'The spool was closed before its end');
  }
}

function spoolError(what: string, error: unknown): CodedError {
  const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new CodedError(isFull ? 'STORAGE_FULL' : 'STORAGE_FAILED', `${what}: ${code}`, {
    cause: error,
    hint: 'Name a local folder with room for the whole RDB',
  });
}
