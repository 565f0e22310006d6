/**
 * Backups and logs at rest. A repository is a set of immutable objects in a storage, version 1 of
 * docs/formats/repository.md: sources, manifests, data files and segments of the log made of
 * blocks. Everything needed to restore is here and readable without Tidemark (`zstd -dc`, jq).
 *
 * Invariants: nothing is ever overwritten; state that changes is a numbered series; a backup exists
 * when, and only when, its manifest does, and the manifest is written after every file it names is
 * durable; what can be restored follows from the stored objects alone. What is read is checked
 * (digests, bounds, sums) before anybody sees it. What lines and commands mean is not known here.
 *
 * Writing: openRepository → ensureSource → BackupWriter.begin → shard().append → commit.
 * Reading: openRepository → findSource → findBackup → readManifest → openDataFile → readBlock.
 * Log: beginLineage → storeSegment; readShardLogs → restorableRanges, cutAtOrBefore, readLogStream.
 * For worker threads: sealBlock, openBlock, keySlot, slotRange, murmur3 are pure.
 */
export {
  type BackupListing,
  findBackup,
  listBackups,
  manifestDigest,
  readManifest,
} from './backups.ts';
export { type BackupOptions, BackupWriter } from './backup-writer.ts';
export {
  BLOCK_BYTES,
  MAX_BLOCK_BYTES,
  openBlock,
  type SealedBlock,
  sealBlock,
} from './data-file/block.ts';
export {
  type BlockRecord,
  type FilterRecord,
  MAX_SLOT_RANGES,
} from './data-file/data-file-format.ts';
export {
  checkDataFileHeader,
  type DataFileReader,
  openDataFile,
} from './data-file/data-file-reader.ts';
export type { DataBlock } from './data-file/data-file-writer.ts';
export { filterBits, filterMayContain, filterOf, type KeyFilter } from './data-file/key-filter.ts';
export { keySlot, murmur3, SLOTS, slotRange } from './data-file/key-hash.ts';
export { readInstanceRecord } from './instance-record.ts';
export { Lease, type WantedLease } from './leases.ts';
export { manifestObject, newBackupId, newLineageId, shardId, sourceObject } from './layout.ts';
export {
  type BackupFacts,
  type DatabaseFacts,
  type DataFileKind,
  type DataFileRecord,
  EVERYTHING,
  type Manifest,
  type Selection,
  type ReadingFacts,
  type ReplayFacts,
  type ShardFacts,
  type Totals,
} from './records/manifest.ts';
export { readReports, type StoredReport, storeReport } from './reports.ts';
export { checkLogStored } from './log/check-log-stored.ts';
export { closeDays } from './log/close-days.ts';
export { type LogCut, cutAtOrBefore, stateAt, timeOf, type WantedCut } from './log/cuts.ts';
export { type LogDay, writeDayIndex } from './log/day-index.ts';
export { findGaps, type LogGap } from './log/gaps.ts';
export {
  type LineageLog,
  type LogFinding,
  type LogRun,
  runAt,
  type ShardLog,
} from './log/lineage-log.ts';
export { beginLineage, type NewLineage } from './log/lineage-record.ts';
export type {
  ArrivalTime,
  GapRecord,
  LineageRecord,
  LogMark,
  MarkKind,
  ReplicationId,
  SegmentBlock,
  SegmentDirectory,
  SegmentRecord,
  UncertainSpan,
} from './log/log-records.ts';
export { type LogPiece, readBlocks, readLogStream } from './log/log-stream.ts';
export {
  baseOffset,
  baseRefusal,
  type RangeBase,
  type RestorableRange,
  restorableRanges,
} from './log/ranges.ts';
export { checkSegmentStart, readSegmentDirectory } from './log/read-segment.ts';
export { readShardLog, readShardLogs } from './log/shard-logs.ts';
export { type SegmentInput, type SegmentPiece, storeSegment } from './log/store-segment.ts';
export { type PlannedBlock, planBlocks } from './select-blocks.ts';
export { openRepository, type Repository, type RepositoryOptions } from './repository.ts';
export type { ShardWriter } from './shard-writer.ts';
export {
  ensureSource,
  findSource,
  listSourceIds,
  listSources,
  readSource,
  type Source,
  type SourceDescription,
  type SourceKind,
  UNDO_LABEL,
} from './sources.ts';
export { readTopology, recordTopology, type Topology, type TopologyShard } from './topology.ts';
