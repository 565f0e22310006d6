/**
 * The RDB format: Redis versions 1 to 15 and Valkey 80, both ways, on bytes. Pure: no sockets, no
 * files. Format facts are in docs/formats/rdb.md.
 *
 *   scanner, batcher     a stream of any pieces → batches of undecoded keys, side records, checksum
 *   entry-reader         a batch → keys, each value handed to a ValueSink
 *   encode/              ValueSink → RESTORE payloads and RDB streams for a given server
 *   encodings/ kernels/ numbers/   what those are made of
 *
 * Invariants: keys and values are bytes; nothing is allocated per element; every failure carries
 * its byte offset; what the scanner delimits, the reader consumes to the byte.
 */
export { RdbBatcher, type RdbBatch } from './batcher.ts';
export { forwardPieces, RdbCursor, type TextSink } from './cursor.ts';
export { encodeFunctionPayload } from './encode/function-payload.ts';
export { INEXACT, type InexactReason } from './encode/inexact.ts';
export { appendRdbEntry } from './encode/rdb-entry.ts';
export { RdbStreamWriter } from './encode/rdb-stream-writer.ts';
export { RestorePayloadEncoder } from './encode/restore-payload-encoder.ts';
export { RestorePayloadStream } from './encode/restore-payload-stream.ts';
export {
  formatOfRdb,
  type ServerFamily as TargetFamily,
  targetFormat,
  type TargetFormat,
  versionNumber,
} from './encode/target-format.ts';
export { createCrc64, equalsCrc64, updateCrc64 } from './kernels/crc64.ts';
export { decodePayload } from './payload.ts';
export { type EntryHeader, NONE, RdbEntryReader } from './entry-reader.ts';
export { type RdbFormat, TYPE } from './format.ts';
export { HashTemplates } from './hash-templates.ts';
export { DOUBLE_TEXT_BYTES, formatDouble } from './numbers/format-double.ts';
export { formatSafeInt, formatUint64, INT64_TEXT_BYTES } from './numbers/int-text.ts';
export { parseDouble } from './numbers/parse-double.ts';
export { RdbScanner, type RdbSideRecords } from './scanner.ts';
export * from './value-sink.ts';
