import { type FedTarget, StreamTranslator } from '../../replay/index.ts';
import { createFeedSource, type FeedParts } from '../plan-feed-source.ts';
import { inexactCommands } from '../replay-judgement.ts';

export type Rehearsal = {
  readonly parts: FeedParts;
  readonly target: FedTarget;
  readonly server: { readonly family: string; readonly version: string | null };
  readonly allowInexact: boolean;
  readonly workers?: number;
  readonly onProgress: (bytes: number, expectedBytes: number) => void;
  readonly signal?: AbortSignal;
};

/**
 * Writes for the target all that it is going to be fed, and throws it away: so that what it cannot
 * hold, or does not know, comes to light while it still has its own data. Throws what the feed
 * would: VALUE_UNREPRESENTABLE, REPLAY_INEXACT, STREAM_CORRUPT, the repository's codes. Gives what
 * is inexact and allowed, one sentence each.
 */
export async function rehearse(rehearsal: Rehearsal): Promise<string[]> {
  const { parts, target, server, allowInexact, workers, onProgress } = rehearsal;
  const signal = rehearsal.signal ?? new AbortController().signal;
  const source = createFeedSource(parts, {
    allowInexact,
    ...(workers !== undefined && { workers }),
  });
  // A server that is not older than the source's, of its family, holds whatever that one held.
  if (mayLackTypes(server, target)) await source.writeBase(target, async () => {}, signal);
  const translator = new StreamTranslator(
    {
      server: target,
      recordedFrom: server,
      expiry: { shiftMs: 0, persists: false },
      allowInexact,
    },
    source.startDatabase,
  );
  let done = 0;
  for await (const { bytes, atMs } of source.readStream(signal)) {
    signal.throwIfAborted();
    translator.translate(bytes, atMs);
    done += bytes.length;
    onProgress(done, source.streamBytes);
  }
  translator.finish();
  return inexactCommands(translator.report);
}

function mayLackTypes(server: Rehearsal['server'], target: FedTarget): boolean {
  if (server.version === null || server.family !== target.family) return true;
  return server.version.localeCompare(target.version, 'en', { numeric: true }) > 0;
}
