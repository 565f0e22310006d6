import type { AckMode } from '../sources/index.ts';

export type AckFacts = {
  readonly mode: AckMode;
  /** On this machine's disk. */
  readonly durableOffset: number;
  /** In the repository. */
  readonly storedOffset: number;
  /** The source waits for its replicas before it ends. */
  readonly isShuttingDown: boolean;
};

/**
 * The offset to acknowledge. Never all that there is: a replica that has everything can be made the
 * master by a plain FAILOVER, and nobody listens where we are. One byte less is no command less, as
 * what asks for acknowledgements comes in the stream itself. Only a source that is going away must
 * not wait for us.
 */
export function chooseAck({ mode, durableOffset, storedOffset, isShuttingDown }: AckFacts): number {
  if (isShuttingDown) return durableOffset;
  if (mode === 'none') return 0;
  const most = Math.max(0, durableOffset - 1);
  return mode === 'durable' ? most : Math.min(storedOffset, most);
}
