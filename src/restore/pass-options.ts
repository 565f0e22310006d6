import type { RedisConnection } from '../redis/index.ts';
import type { ConflictOptions } from './conflicts.ts';
import type { Tally } from './counts.ts';
import type { EncoderOptions } from './encode/encoded-block.ts';
import type { TaskJournal } from './journal/task-journal.ts';
import type { Pacer } from './pace/pacer.ts';
import type { RestoreRequest } from './requests.ts';
import type { TargetFacts } from './target-facts.ts';

/** What one walk over the blocks of a backup works with. */
export type PassOptions = {
  readonly request: RestoreRequest;
  readonly control: RedisConnection;
  /** Undefined: only look, write nothing. */
  readonly writing: RedisConnection | undefined;
  readonly facts: TargetFacts;
  readonly tally: Tally;
  readonly conflict: ConflictOptions;
  readonly encoding: EncoderOptions;
  readonly pacer: Pacer;
  /** Undefined: the restore cannot be resumed. */
  readonly journal: TaskJournal | undefined;
  readonly targetDb: (db: number) => number;
  /** Databases of the target that held nothing when the task began. */
  readonly emptyDatabases: ReadonlySet<number>;
  /** Several databases go into one: each is finished before the next is looked at. */
  readonly mergesDatabases: boolean;
  readonly onProgress: (keys: number, bytes: number) => void;
};
