import type { ConflictPolicy, TtlPolicy } from '../../restore/index.ts';
import type { ConnectionOptions } from '../options/connection-options.ts';
import type { ControlOptions } from '../options/control-option.ts';
import type { InstantOptions, SandboxOptions } from '../options/instant-option.ts';
import type { SelectionOptions } from '../options/selection-options.ts';

/** What `tidemark restore` was told. */
export type RestoreOptions = ConnectionOptions &
  ControlOptions &
  InstantOptions &
  SandboxOptions &
  SelectionOptions & {
    /** Absent with --resume: the target is in the task's journal. */
    readonly to?: string;
    /** A task to take up again. */
    readonly resume?: string;
    /** Folder of the tasks' journals. */
    readonly state?: string;
    readonly source?: string;
    readonly mapDb?: ReadonlyMap<number, number>;
    readonly conflict: ConflictPolicy;
    readonly ttl: TtlPolicy;
    /** Absent: restored unless keys were selected. */
    readonly functions?: 'restore' | 'skip';
    readonly functionConflict: 'skip' | 'overwrite' | 'fail';
    readonly allowInexact?: boolean;
    readonly dryRun?: boolean;
    readonly yes?: boolean;
    readonly rate?: number;
    readonly rateKeys?: number;
    readonly workers?: number;
    readonly targetPasswordFile?: string;
    readonly replaceInstance?: boolean;
    /** The target's `host:port`, typed again. */
    readonly yesReplace?: string;
    /** False: no undo point. */
    readonly undo: boolean;
    readonly feedHost?: string;
    readonly feedPort?: number;
  };
