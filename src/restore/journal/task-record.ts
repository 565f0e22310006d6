import { CodedError } from '../../base/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import type { RedisAddress } from '../../redis/index.ts';
import type { ConflictPolicy, TtlPolicy } from '../policies.ts';

const FORMAT = 'tidemark-task';
const VERSION = 1;

/** What a restore task was told to do, and to which target: the first record of its journal. */
export type TaskRecord = {
  readonly task: string;
  /** Unix milliseconds; part of the names of renamed keys. */
  readonly startedAtMs: number;
  readonly repository: string;
  readonly source: string;
  readonly backup: string;
  readonly totalKeys: number;
  readonly target: TaskTarget;
  /** Databases of the target that were empty when the task began. */
  readonly emptyDatabases: readonly number[];
  readonly options: TaskOptions;
  /** What the caller wants to know again when it resumes; plain JSON. */
  readonly origin: Readonly<Record<string, string | boolean>>;
};

/** Without a password. */
export type TaskTarget = Omit<RedisAddress, 'password'> & {
  /** As people read it. */
  readonly name: string;
  /** Null where the server did not tell. */
  readonly runId: string | null;
};

export type TaskOptions = {
  readonly selection: EntrySelection;
  readonly mapDb: ReadonlyMap<number, number>;
  readonly conflict: ConflictPolicy;
  readonly ttl: TtlPolicy;
  readonly functions: 'restore' | 'skip';
  readonly functionConflict: 'skip' | 'overwrite' | 'fail';
  readonly allowInexact: boolean;
};

type StoredSelection = {
  readonly databases?: readonly number[];
  readonly types?: EntrySelection['types'];
  readonly keys?: readonly string[];
  readonly match?: readonly string[];
  readonly exclude?: readonly string[];
};

type StoredRecord = Omit<TaskRecord, 'options'> & {
  readonly k: 'task';
  readonly format: string;
  readonly version: number;
  readonly options: Omit<TaskOptions, 'selection' | 'mapDb'> & {
    readonly selection: StoredSelection;
    readonly mapDb: readonly (readonly [number, number])[];
  };
};

export function encodeTask(record: TaskRecord): StoredRecord {
  const { selection, mapDb, ...rest } = record.options;
  const { databases, types, keys, match, exclude } = selection;
  const stored: StoredSelection = {
    ...(databases && { databases }),
    ...(types && { types }),
    ...(keys && { keys: keys.map(toBase64) }),
    ...(match && { match: match.map(toBase64) }),
    ...(exclude && { exclude: exclude.map(toBase64) }),
  };
  const options = { ...rest, selection: stored, mapDb: [...mapDb] };
  return { k: 'task', format: FORMAT, version: VERSION, ...record, options };
}

/** Undefined: not the first record of a journal. Throws TASK_NOT_FOUND for a newer format. */
export function decodeTask(value: unknown): TaskRecord | undefined {
  const stored = value as Partial<StoredRecord> | null;
  if (stored?.k !== 'task' || stored.format !== FORMAT) return undefined;
  if (stored.version !== VERSION) {
    throw new CodedError(
      'TASK_NOT_FOUND',
      `Cannot read the journal of task ${stored.task}: it has version ${stored.version}`,
      { hint: 'A newer Tidemark wrote it; resume with that one' },
    );
  }
  const { k: _, format: _format, version: _version, options, ...rest } = stored as StoredRecord;
  const { databases, types, keys, match, exclude } = options.selection;
  const selection: EntrySelection = {
    ...(databases && { databases }),
    ...(types && { types }),
    ...(keys && { keys: keys.map(fromBase64) }),
    ...(match && { match: match.map(fromBase64) }),
    ...(exclude && { exclude: exclude.map(fromBase64) }),
  };
  return { ...rest, options: { ...options, selection, mapDb: new Map(options.mapDb) } };
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function fromBase64(text: string): Buffer {
  return Buffer.from(text, 'base64');
}
