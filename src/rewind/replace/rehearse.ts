import { type FedTarget, StreamTranslator } from '../../replay/index.ts';
import { checkLogStored } from '../../repository/index.ts';
import { createFeedSource, type FeedParts } from '../plan-feed-source.ts';
import { inexactCommands } from '../replay-judgement.ts';
import { type RecordedIdentity, whyRehearseBase, whyRehearseLog } from './why-rehearse.ts';

export type Rehearsal = {
  readonly parts: FeedParts;
  readonly target: FedTarget;
  readonly server: RecordedIdentity;
  readonly allowInexact: boolean;
  readonly workers?: number;
  /** What is done now, a sentence for people. */
  readonly onStep: (text: string) => void;
  readonly onProgress: (bytes: number, expectedBytes: number) => void;
  readonly signal?: AbortSignal;
};

/**
 * Writes for the target all that it is going to be fed, and throws it away: so that what it cannot
 * hold, or does not know, comes to light while it still has its own data. Where nothing of a log
 * can be refused it is only read, that it is all there. Throws what the feed would:
 * VALUE_UNREPRESENTABLE, REPLAY_INEXACT, STREAM_CORRUPT, the repository's codes. Gives what is
 * inexact and allowed, one sentence each.
 */
export async function rehearse(rehearsal: Rehearsal): Promise<string[]> {
  const { parts, target, server, workers, allowInexact, onStep } = rehearsal;
  const { base, log } = parts;
  const signal = rehearsal.signal ?? new AbortController().signal;
  const types = new Set(base.databases.flatMap((database) => Object.keys(database.types)));
  const sources = [server, ...base.shards.map((shard) => shard.server)];
  const whys = sources.map((source) => whyRehearseBase(source, types, target));
  const whyBase = whys.find((why) => why !== null);
  if (whyBase !== undefined) {
    onStep(`Rehearsing the load: ${whyBase}`);
    const source = createFeedSource(parts, {
      allowInexact,
      ...(workers !== undefined && { workers }),
    });
    await source.writeBase(target, async () => {}, signal);
  }
  if (log === null) return [];
  const whyLog = whyRehearseLog(server, log, target);
  if (whyLog !== null) {
    onStep(`Rehearsing the replay: ${whyLog}`);
    return await translateLog(rehearsal, signal);
  }
  const { lineage, fromOffset, toOffset } = log;
  onStep('Checking that the log is all there');
  const onOffset = (offset: number): void =>
    rehearsal.onProgress(offset - fromOffset, toOffset - fromOffset);
  await checkLogStored(parts.repository, lineage, fromOffset, toOffset, onOffset, signal);
  return [];
}

async function translateLog(rehearsal: Rehearsal, signal: AbortSignal): Promise<string[]> {
  const { parts, target, server, allowInexact, onProgress } = rehearsal;
  const source = createFeedSource(parts, { allowInexact });
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
