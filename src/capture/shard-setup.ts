import type { Source } from '../repository/index.ts';
import type { CapturedSource, CaptureRequest } from './capture-request.ts';
import type { FullGate } from './full-backups.ts';

/** What one shard's capture is made of. */
export type ShardSetup = {
  readonly request: CaptureRequest;
  readonly captured: CapturedSource;
  /** As the repository knows it. */
  readonly source: Source;
  readonly shard: string;
  readonly gate: FullGate;
  /** Locked, for this shard alone. */
  readonly folder: string;
  readonly spoolLimitBytes: number;
  readonly stateFile: string;
};
