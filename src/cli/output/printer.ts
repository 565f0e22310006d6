import { CodedError } from '../../base/index.ts';
import type { OutputStream } from '../terminal.ts';

/** The reader of our output has gone away (`| head`): nobody is left to tell, so end quietly. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

/** Writes results to standard output, one after the other, at the pace of the reader. */
export class Printer {
  readonly #stream: OutputStream;
  #failure: Error | undefined;

  constructor(stream: OutputStream) {
    this.#stream = stream;
    // Without a listener a closed pipe would end the process with a stack trace.
    stream.on('error', (error) => {
      this.#failure ??= asOutputError(error);
    });
  }

  /**
   * Resolves when the bytes are out of our hands, so the caller may reuse the chunk. Rejects with
   * OutputClosed, or STORAGE_FULL or STORAGE_FAILED where output goes to a file.
   */
  async write(chunk: string | Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#stream.write(chunk, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(asOutputError(error));
    });
    await promise;
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  /** The one document of `--json`. */
  async document(value: unknown): Promise<void> {
    await this.line(JSON.stringify(value, null, 2));
  }
}

function asOutputError(error: Error): Error {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') return new OutputClosed(error.message);
  const message = `Cannot write to standard output: ${error.message}`;
  return new CodedError(code === 'ENOSPC' ? 'STORAGE_FULL' : 'STORAGE_FAILED', message, {
    hint: 'Check where the output goes to',
    cause: error,
  });
}
