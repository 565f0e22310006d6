import type { ConflictPolicy, TtlPolicy } from '../../restore/index.ts';
import type { ConnectionOptions } from '../options/connection-options.ts';
import type { SelectionOptions } from '../options/selection-options.ts';

/** What `tidemark restore` was told. */
export type RestoreOptions = ConnectionOptions &
  SelectionOptions & {
    readonly to: string;
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
  };
