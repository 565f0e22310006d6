/**
 * The other side of replication: we are the master. A feed streams a base and a recorded log to any
 * server that was told `REPLICAOF`, a translator writes the log as that server needs it, a sandbox
 * is a throw-away server for a feed to fill. Redis decides what the commands do; nothing here
 * interprets them. Where base and log come from is the `FeedSource`'s matter.
 *
 * Invariants: a replica has everything when it acknowledged everything and counted no error. What
 * cannot be replayed exactly ends in REPLAY_INEXACT, or is counted by name where that is allowed:
 * nothing is skipped in silence. Memory is bounded by one command.
 */
export type { FedPiece, FedServer, FeedSource } from './feed-source.ts';
export {
  DEFAULT_DEADLINES,
  type FedReplica,
  type FedTarget,
  type FeedDeadlines,
  type FeedEvent,
  type FeedOptions,
  type FeedPhase,
  type FeedProgress,
  type RecordedServer,
} from './feed/feed-options.ts';
export { Feed } from './feed/feed.ts';
export { AofSandbox, type AofSandboxOptions } from './sandbox/aof-sandbox.ts';
export { describeFedTarget } from './sandbox/fed-target.ts';
export {
  findSandboxServer,
  type FindOptions,
  type SandboxServer,
} from './sandbox/find-sandbox-server.ts';
export { isLeftBehind } from './sandbox/sandbox-folder.ts';
export { errorsSince, readReplayErrors, type ReplayErrors } from './sandbox/replay-errors.ts';
export {
  type FailedCommands,
  inexact,
  Sandbox,
  type SandboxFill,
  type SandboxOptions,
} from './sandbox/sandbox.ts';
export { isKnownCommand } from './translate/known-command.ts';
export type { TranslateOptions } from './translate/translate-options.ts';
export { StreamTranslator } from './translate/stream-translator.ts';
export type { InexactCommands, TranslationReport } from './translate/translation-report.ts';
