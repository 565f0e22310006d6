import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';
import { ByteBuilder } from '../../../base/index.ts';
import type { ExportOutput } from './export-output.ts';

export type Compression = 'none' | 'zstd' | 'gzip';

/** How much is compressed at a time. */
const FRAME_BYTES = 1 << 20;
const ZSTD_LEVEL = 3;

const zstd = promisify(zstdCompress);
const gz = promisify(gzip);

/** The compression that a file name asks for. */
export function compressionOf(path: string): Compression {
  if (/\.zst$/i.test(path)) return 'zstd';
  return /\.gz$/i.test(path) ? 'gzip' : 'none';
}

/**
 * Compresses on the way to another output, in frames that follow one another: `zstd -d` and
 * `gunzip` read them as one file, in bounded memory.
 */
export function compressOutput(inner: ExportOutput, compression: Compression): ExportOutput {
  return compression === 'none' ? inner : new CompressedOutput(inner, compression);
}

class CompressedOutput implements ExportOutput {
  readonly #inner: ExportOutput;
  readonly #compression: 'zstd' | 'gzip';
  readonly #pending = new ByteBuilder(FRAME_BYTES);
  #isEmpty = true;

  constructor(inner: ExportOutput, compression: 'zstd' | 'gzip') {
    this.#inner = inner;
    this.#compression = compression;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#pending.append(bytes);
    if (this.#pending.length >= FRAME_BYTES) await this.#flush();
  }

  async commit(): Promise<void> {
    // A file of no frames would be none.
    if (this.#pending.length > 0 || this.#isEmpty) await this.#flush();
    await this.#inner.commit();
  }

  async abort(): Promise<void> {
    await this.#inner.abort();
  }

  async #flush(): Promise<void> {
    const frame = await this.#compress(this.#pending.view());
    this.#pending.clear();
    this.#isEmpty = false;
    await this.#inner.write(frame);
  }

  async #compress(bytes: Buffer): Promise<Buffer> {
    if (this.#compression === 'gzip') return await gz(bytes);
    const params = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL };
    return await zstd(bytes, { params });
  }
}
