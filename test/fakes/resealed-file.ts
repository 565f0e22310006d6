import { createHash } from 'node:crypto';
import type { DataFileRecord } from '../../src/repository/index.ts';

/**
 * A data file whose directory was changed by somebody who knows the format: all its digests are
 * right again. Written from docs/formats/data-file.md, not with the code that it tests.
 */
export function resealed(
  bytes: Buffer,
  record: DataFileRecord,
  change: (directory: Buffer) => void,
): { readonly bytes: Buffer; readonly record: DataFileRecord } {
  const { offset, length } = record.directory;
  const copy = Buffer.from(bytes);
  const directory = copy.subarray(offset, offset + length);
  change(directory);
  const trailer = copy.subarray(offset + length);
  const check = createHash('sha256').update(directory).update(trailer.subarray(8, 32)).digest();
  check.copy(trailer, 32, 0, 8);
  const sha = (part: Buffer) => `sha256:${createHash('sha256').update(part).digest('hex')}`;
  return {
    bytes: copy,
    record: {
      ...record,
      digest: sha(copy),
      directory: { offset, length, digest: sha(directory) },
    },
  };
}
