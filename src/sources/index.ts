/**
 * Sources: a Redis to read, as one RDB in bytes. `openReplication` attaches as a replica to a
 * standalone server (PSYNC), `openScan` reads one key by key where that is forbidden (SCAN, DUMP),
 * `openRdbFile` and `openRdbStream` read a dump that exists already; all of them are an
 * `RdbByteSource`. Around them: which node to read (`chooseNode`), whether it will
 * work (`precheckSource`), and what else is worth keeping of the instance (`collectInstance`).
 *
 * Nothing here decodes an RDB: bytes are handed on as they come, and the total is offered so that
 * the decoder's end can be compared with the framing's.
 *
 * Being a replica must do no harm: every wait has a deadline and a reason, a rate limit is guarded,
 * and nothing is ever sent after PSYNC but acknowledgements. Protocol: docs/sources.md.
 */
export {
  chooseNode,
  type ChooseOptions,
  type NodeChoice,
  type NodePreference,
} from './choose-node.ts';
export { collectInstance, type InstanceLine, type ModuleFacts } from './instance-record.ts';
export {
  type LogLink,
  type LogLinkHandlers,
  type LogLinkOptions,
  type LogRefusal,
  type LogStart,
  openLogLink,
} from './log-link.ts';
export { openReplication, type ReplicationStream } from './open-replication.ts';
export type { Finding } from './finding.ts';
export { type AckMode, precheckCapture, type PrecheckCaptureOptions } from './precheck-capture.ts';
export { precheckSource, type PrecheckOptions } from './precheck-source.ts';
export { RateControlledRdb } from './rate-controlled-rdb.ts';
export { type HarmBounds, MIN_RATE, type RateLimit } from './rate-limit.ts';
export type { OnChunk, RdbByteSource, RdbEnd, RdbOrigin } from './rdb-byte-source.ts';
export { openRdbFile, openRdbStream } from './rdb-file.ts';
export {
  type BigKeyBounds,
  type ScanCounts,
  type ScanOptions,
  type ScanStream,
} from './scan/scan-options.ts';
export { openScan } from './scan/open-scan.ts';
export { SpooledRdb, type SpoolOptions } from './spooled-rdb.ts';
export type {
  CommandNames,
  ReplicationDeadlines,
  ReplicationOptions,
  ReplicationPhase,
  StreamHandlers,
} from './replication-options.ts';
