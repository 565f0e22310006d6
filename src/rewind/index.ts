/**
 * Rewind: any place in a recorded log becomes a state that can be restored.
 *
 *   instant → resolveInstant → a point (a cut of the log) → planRewind → base + stretch of log
 *   plan → feedSourceOf → a feed → any server that is told REPLICAOF
 *   plan → materialise → sandbox → an ordinary backup, which every other command reads unchanged
 *   plan → replaceInstance → the target itself is fed, and promoted at the cut
 *
 * Nothing here interprets commands: a real server does (src/replay/). Invariants: a point lies
 * between commands and outside MULTI; what is not stored without a hole is refused, never guessed;
 * nothing counts as restored before the server has acknowledged everything and counted no error;
 * what is temporary is removed however a run ends. Formats: docs/formats/segment.md, docs/rewind.md
 */
export { type AofExportReport, type AofExportRequest, exportAof } from './aof/export-aof.ts';
export {
  importAof,
  type AofImportReport,
  type AofImportRequest,
} from './aof/import-aof.ts';
export { isAof } from './aof/is-aof.ts';
export {
  type DrillProof,
  type DrillReport,
  type DrillRequest,
  type DrillSubject,
  runDrill,
} from './drill/run-drill.ts';
export { type FilledSandbox, type SandboxSettings } from './fill-sandbox.ts';
export { readHistory, type SourceHistory } from './history.ts';
export {
  parseBefore,
  type ParsedBefore,
  type ParsedInstant,
  type ParsedTime,
  parseInstant,
} from './instants/parse-instant.ts';
export { type ResolvedTime, resolveTime } from './instants/resolve-time.ts';
export { findLastCommand, type LastCommand } from './last-command.ts';
export type { LoggedArgument, LoggedCommand, LoggedGap, LogEvent } from './log-search/log-event.ts';
export type { LogFilter, Touch } from './log-search/log-filter.ts';
export { resolveBound, type SearchBound } from './log-search/search-bound.ts';
export { type FoundMark, type LogSearch, searchLog, searchMarks } from './log-search/search-log.ts';
export {
  materialise,
  type MaterialisedState,
  type MaterialiseProgress,
  type MaterialiseRequest,
} from './materialise.ts';
export {
  createFeedSource,
  feedPartsOf,
  type FeedParts,
  feedSourceOf,
  type FeedSourceOptions,
} from './plan-feed-source.ts';
export { chooseBase, planRewind } from './plan-rewind.ts';
export { replaceInstance } from './replace/replace-instance.ts';
export type {
  ReplaceProgress,
  ReplaceReport,
  ReplaceRequest,
} from './replace/replace-requests.ts';
export {
  type InstantSetting,
  type ResolvedInstant,
  resolveInstant,
  type WantedInstant,
} from './resolve-instant.ts';
export type { RewindPlan, RewindPoint } from './rewind-point.ts';
