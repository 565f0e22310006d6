import type { ErrorCode } from '../base/index.ts';

/** What the exit status of a command says (docs/commands.md, "Exit status"). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** A precheck or a confirmation refused; nothing was changed. */
  refused: 3,
  /** Finished, but something could not be restored exactly. */
  inexact: 4,
  /** Done, and the answer is one that wants attention. */
  attention: 5,
  interrupted: 130,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** Complete by type: a new code does not compile before it is decided here. */
export const EXIT_OF_ERROR: Readonly<Record<ErrorCode, ExitStatus>> = {
  USAGE: EXIT.usage,
  NAME_INVALID: EXIT.usage,
  CONFIRMATION_REQUIRED: EXIT.refused,
  INTERRUPTED: EXIT.interrupted,

  RDB_TRUNCATED: EXIT.failed,
  RDB_CORRUPT: EXIT.failed,
  RDB_CHECKSUM: EXIT.failed,
  RDB_UNSUPPORTED: EXIT.failed,
  RESP_INVALID: EXIT.failed,
  JSONL_INVALID: EXIT.failed,

  CONNECT_FAILED: EXIT.failed,
  CONNECT_TIMEOUT: EXIT.failed,
  TLS_FAILED: EXIT.failed,
  AUTH_FAILED: EXIT.failed,
  NOPERM: EXIT.failed,
  COMMAND_FAILED: EXIT.failed,
  SENTINEL_UNKNOWN_MASTER: EXIT.failed,
  SENTINEL_NO_MASTER: EXIT.failed,

  PSYNC_FORBIDDEN: EXIT.refused,
  PSYNC_REFUSED: EXIT.failed,
  SOURCE_LOADING: EXIT.failed,
  SOURCE_STALLED: EXIT.failed,
  SOURCE_LOST: EXIT.failed,
  SOURCE_GARBAGE: EXIT.failed,
  SOURCE_IDENTITY: EXIT.refused,
  SOURCE_UNSUPPORTED: EXIT.refused,
  REPLICA_UNAVAILABLE: EXIT.refused,
  RATE_LIMIT_HARM: EXIT.failed,

  STREAM_CORRUPT: EXIT.failed,
  SPOOL_CORRUPT: EXIT.failed,
  SPOOL_FULL: EXIT.failed,
  CAPTURE_HELD: EXIT.refused,
  INSTANT_INVALID: EXIT.usage,
  INSTANT_UNREACHABLE: EXIT.refused,
  INSTANT_UNCERTAIN: EXIT.refused,
  MARK_NOT_FOUND: EXIT.failed,
  SANDBOX_UNAVAILABLE: EXIT.refused,
  SANDBOX_FAILED: EXIT.failed,
  FEED_REFUSED: EXIT.refused,
  FEED_LOST: EXIT.failed,
  REPLAY_INEXACT: EXIT.refused,
  AOF_CORRUPT: EXIT.failed,
  DRILL_FAILED: EXIT.failed,

  REPOSITORY_MISSING: EXIT.failed,
  REPOSITORY_CORRUPT: EXIT.failed,
  REPOSITORY_UNSUPPORTED: EXIT.failed,
  SOURCE_NOT_FOUND: EXIT.failed,
  SOURCE_AMBIGUOUS: EXIT.usage,
  BACKUP_NOT_FOUND: EXIT.failed,
  BACKUP_AMBIGUOUS: EXIT.usage,
  OBJECT_EXISTS: EXIT.failed,
  OBJECT_MISSING: EXIT.failed,
  OBJECT_CORRUPT: EXIT.failed,
  STORAGE_FULL: EXIT.failed,
  STORAGE_READ_ONLY: EXIT.failed,
  STORAGE_FAILED: EXIT.failed,
  LEASE_HELD: EXIT.failed,

  TARGET_UNSUITABLE: EXIT.refused,
  TARGET_CONFLICT: EXIT.refused,
  TARGET_LOST: EXIT.failed,
  TARGET_REFUSED: EXIT.failed,
  TARGET_FULL: EXIT.failed,
  TARGET_CHANGED: EXIT.refused,
  TASK_NOT_FOUND: EXIT.failed,
  TASK_HELD: EXIT.failed,
  VALUE_UNREPRESENTABLE: EXIT.failed,
};
