/**
 * Entries: one key each, with type, expiry and value; what every source produces and every target
 * consumes. Here they become JSON Lines and are read back (docs/formats/entries.md), are chosen,
 * and get a digest that says whether two values are equal whatever their encodings.
 *
 * Values pass through ValueSink (src/rdb/value-sink.ts) and are bytes all the way; nothing is
 * allocated per element. No I/O, no compression: blocks and files are src/repository/'s.
 */
export {
  DistinctTexts,
  RECORD_WORDS,
  type RecordSpill,
  type Twice,
} from './foreign/distinct-texts.ts';
export { ForeignLineReader, type LinePlace } from './foreign/foreign-line-reader.ts';
export { LineSplitter, MAX_LINE_BYTES, type OnLine } from './foreign/line-splitter.ts';
export { matchesGlob } from './glob.ts';
export { type LineHeader, JsonLineReader } from './json-reader.ts';
export { decodeText } from './json-stream-info.ts';
export { formatText, writeJsonText } from './json-text.ts';
export { JsonLineWriter, PART_BYTES, type PartSink } from './json-writer.ts';
export {
  ENTRY_TYPES,
  EntrySelector,
  type EntrySelection,
  type EntryType,
  entryType,
  selectsEverything,
} from './selection.ts';
export { equalDigests, type ValueDigest, ValueDigester } from './value-digest.ts';
