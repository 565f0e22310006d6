/**
 * Every way in which the world can disappoint us, in one closed table. A code is matched by name,
 * never by message. Doors (command line, HTTP) map codes to their own statuses and are checked to
 * be complete by type.
 */

type ErrorFacts = {
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** What the person reading the message can do next; a thrower may give a better one. */
  readonly hint: string;
};

export const ERRORS = {
  // Input that people gave
  USAGE: { retryable: false, hint: 'See --help for the accepted form' },
  NAME_INVALID: { retryable: false, hint: 'Use lower-case letters, digits, dots and dashes' },
  CONFIRMATION_REQUIRED: { retryable: false, hint: 'Repeat the command with --yes' },
  INTERRUPTED: { retryable: true, hint: 'Run the command again' },

  // Bytes that should have been something else
  RDB_TRUNCATED: { retryable: false, hint: 'The dump ends early; fetch it again from its source' },
  RDB_CORRUPT: { retryable: false, hint: 'Check the file with redis-check-rdb' },
  RDB_CHECKSUM: { retryable: false, hint: 'The dump was damaged on the way; fetch it again' },
  RDB_UNSUPPORTED: { retryable: false, hint: 'A newer Tidemark may read this version' },
  RESP_INVALID: { retryable: false, hint: 'Is this address really a Redis server?' },
  JSONL_INVALID: { retryable: false, hint: 'See docs/formats/entries.md for the accepted lines' },

  // Reaching a Redis
  CONNECT_FAILED: { retryable: true, hint: 'Check address, port, and that the server is running' },
  CONNECT_TIMEOUT: { retryable: true, hint: 'Check address, firewall, and whether it wants TLS' },
  TLS_FAILED: { retryable: false, hint: 'Check rediss:// against the port, and the certificates' },
  AUTH_FAILED: { retryable: false, hint: 'Check user and password' },
  NOPERM: { retryable: false, hint: 'Run precheck: it prints the ACL line that is missing' },
  COMMAND_FAILED: { retryable: false, hint: 'The server refused the command' },
  SENTINEL_UNKNOWN_MASTER: {
    retryable: false,
    hint: 'SENTINEL MASTERS, asked of a Sentinel, lists the names that it knows',
  },
  SENTINEL_NO_MASTER: { retryable: true, hint: 'Is a failover under way? Try again in a moment' },

  // Reading a source
  PSYNC_FORBIDDEN: {
    retryable: false,
    hint: 'The server does not let replicas attach; import an RDB file instead',
  },
  PSYNC_REFUSED: {
    retryable: true,
    hint: 'The server cannot serve a replica now; try again later',
  },
  SOURCE_LOADING: {
    retryable: true,
    hint: 'The server is still loading its data; try again later',
  },
  SOURCE_STALLED: { retryable: true, hint: 'The server sent nothing for too long; check its log' },
  SOURCE_LOST: { retryable: true, hint: 'The connection to the source broke; check its log' },
  SOURCE_GARBAGE: { retryable: false, hint: 'Is there a proxy between Tidemark and the server?' },
  SOURCE_IDENTITY: { retryable: false, hint: 'Choose another --source name, or pass --adopt' },
  SOURCE_UNSUPPORTED: { retryable: false, hint: 'See docs/sources.md for what can be a source' },
  REPLICA_UNAVAILABLE: { retryable: true, hint: 'Use --from auto or --from master' },
  RATE_LIMIT_HARM: { retryable: true, hint: 'Raise --rate, or pass --spool' },

  // Recording and replaying the replication stream
  STREAM_CORRUPT: {
    retryable: false,
    hint: 'The replication stream is no sequence of commands: is there a proxy on the way?',
  },
  SPOOL_CORRUPT: { retryable: false, hint: 'Move the spool folder away and start capture again' },
  SPOOL_FULL: { retryable: true, hint: 'Free some space, or raise --spool-limit' },
  CAPTURE_HELD: { retryable: true, hint: 'Another capture of this source is running' },
  INSTANT_INVALID: { retryable: false, hint: 'See tidemark restore --help for the forms of --at' },
  INSTANT_UNREACHABLE: { retryable: false, hint: 'tidemark list shows what can be reached' },
  INSTANT_UNCERTAIN: {
    retryable: false,
    hint: 'Name an offset or a mark, or say --earliest or --latest',
  },
  MARK_NOT_FOUND: { retryable: false, hint: 'tidemark log --marks shows them' },
  SANDBOX_UNAVAILABLE: {
    retryable: false,
    hint: 'Install redis-server or valkey-server, or name one with --sandbox-server',
  },
  SANDBOX_FAILED: { retryable: true, hint: 'The sandbox ended; see the message' },
  FEED_REFUSED: {
    retryable: false,
    hint: 'The replica must be able to reach us; see docs/rewind.md',
  },
  FEED_LOST: { retryable: true, hint: 'The replica left before it had everything' },
  REPLAY_INEXACT: { retryable: false, hint: 'Repeat the command with --allow-inexact' },
  AOF_CORRUPT: { retryable: false, hint: 'Check the folder with redis-check-aof' },
  DRILL_FAILED: { retryable: false, hint: 'What was restored differs; see the report' },

  // The repository and its storage
  REPOSITORY_MISSING: { retryable: false, hint: 'Check --repo' },
  REPOSITORY_CORRUPT: { retryable: false, hint: 'Run tidemark verify' },
  REPOSITORY_UNSUPPORTED: {
    retryable: false,
    hint: 'A newer Tidemark wrote this; upgrade to read it',
  },
  SOURCE_NOT_FOUND: { retryable: false, hint: 'tidemark list shows the sources' },
  SOURCE_AMBIGUOUS: { retryable: false, hint: 'Say which with --source' },
  BACKUP_NOT_FOUND: { retryable: false, hint: 'tidemark list shows the backups' },
  BACKUP_AMBIGUOUS: { retryable: false, hint: 'Give more characters of the id' },
  OBJECT_EXISTS: { retryable: false, hint: 'Stored objects are never overwritten' },
  OBJECT_MISSING: { retryable: false, hint: 'Run tidemark verify' },
  OBJECT_CORRUPT: { retryable: false, hint: 'Run tidemark verify; restore from another copy' },
  STORAGE_FULL: { retryable: true, hint: 'Free some space and run the command again' },
  STORAGE_READ_ONLY: { retryable: false, hint: 'Check the permissions of the repository' },
  STORAGE_FAILED: { retryable: true, hint: 'Check the storage of the repository' },
  LEASE_HELD: { retryable: true, hint: 'Another Tidemark is at work here; wait for it' },

  // Writing to a target
  TARGET_UNSUITABLE: { retryable: false, hint: 'Run tidemark precheck REDIS --as target' },
  TARGET_CONFLICT: { retryable: false, hint: 'Choose --conflict rename, skip or overwrite' },
  TARGET_LOST: {
    retryable: true,
    hint: 'The connection to the target broke; run the restore again',
  },
  TARGET_REFUSED: { retryable: false, hint: 'The target refused a write; see the message' },
  TARGET_FULL: { retryable: false, hint: 'Raise maxmemory of the target' },
  TARGET_CHANGED: {
    retryable: false,
    hint: 'Run the restore anew: it compares everything that is there',
  },
  TASK_NOT_FOUND: { retryable: false, hint: 'tidemark tasks lists the tasks of this machine' },
  TASK_HELD: { retryable: true, hint: 'Wait until the other process is done' },
  VALUE_UNREPRESENTABLE: { retryable: false, hint: 'Restore to a newer server' },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERRORS;

export type ErrorDetails = {
  /** Byte offset in the input, for codecs. */
  readonly offset?: number;
  /** Name of the stored object, for storages. */
  readonly object?: string;
  /** Printable form of the key, for restores. */
  readonly key?: string;
  /** What to do next, when better than the table's. */
  readonly hint?: string;
  readonly cause?: unknown;
};

/** A failure of the world or of the caller's input; our own bugs are `assert`s instead. */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly code: ErrorCode;
  readonly offset: number | undefined;
  readonly object: string | undefined;
  readonly key: string | undefined;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.offset = details.offset;
    this.object = details.object;
    this.key = details.key;
    this.hint = details.hint ?? ERRORS[code].hint;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

export function isCoded(error: unknown, ...codes: ErrorCode[]): error is CodedError {
  return error instanceof CodedError && (codes.length === 0 || codes.includes(error.code));
}
