import { CodedError } from '../base/index.ts';
import {
  baseOffset,
  baseRefusal,
  type LineageLog,
  type Manifest,
  runAt,
  stateAt,
} from '../repository/index.ts';
import type { SourceHistory } from './history.ts';
import type { RewindPlan, RewindPoint } from './rewind-point.ts';

export type ChosenBase = { readonly manifest: Manifest; readonly offset: number };

/** The newest backup of the lineage that stands at or before an offset, in the same run. Pure. */
export function chooseBase(
  manifests: readonly Manifest[],
  lineage: LineageLog,
  offset: number,
): ChosenBase | undefined {
  const run = runAt(lineage, offset);
  if (run === undefined) return undefined;
  let best: ChosenBase | undefined;
  for (const manifest of manifests) {
    const at = baseOffset(manifest, lineage);
    if (at === undefined || at < run.startOffset || at > offset) continue;
    if (best === undefined || at >= best.offset) best = { manifest, offset: at };
  }
  return best;
}

/** Base, stretch of log, and what is known beforehand about replaying it. Reads a directory. */
export async function planRewind(
  history: SourceHistory,
  point: RewindPoint,
  signal?: AbortSignal,
): Promise<RewindPlan> {
  const { repository, source, manifests, logs } = history;
  const log = logs
    .flatMap(({ lineages }) => lineages)
    .find(({ record }) => record.lineage === point.lineage);
  const base = log && chooseBase(manifests, log, point.offset);
  if (log === undefined || base === undefined) throw noBase(history, log, point);
  const { offset: fromOffset } = base;
  const isBase = fromOffset === point.offset;
  // A backup may stand at a place that no command of the log begins at: nothing is replayed then.
  const { database } = isBase
    ? { database: 0 }
    : await stateAt(repository, log, fromOffset, signal);
  const replayed = log.segments.filter(
    ({ startOffset, endOffset }) => endOffset > fromOffset && startOffset < point.offset,
  );
  return {
    repository,
    source,
    point,
    base: base.manifest,
    log,
    fromOffset,
    startDatabase: database,
    streamBytes: point.offset - fromOffset,
    verbatimScripts: replayed.reduce((sum, { verbatimScripts }) => sum + verbatimScripts, 0),
    unknownCommands: [...new Set(replayed.flatMap(({ unknownCommands }) => unknownCommands))],
    server: serverOf(log, base.manifest, point.shard),
  };
}

/** The one that wrote the log; where that did not tell, the one that the base was read of. */
function serverOf({ record }: LineageLog, base: Manifest, shard: string): RewindPlan['server'] {
  const { family, version } = record.server;
  if (version !== null) return { family, version };
  const facts = base.shards.find((candidate) => candidate.shard === shard);
  return facts === undefined ? record.server : facts.server;
}

function noBase(
  { manifests, source }: SourceHistory,
  log: LineageLog | undefined,
  { lineage, offset }: RewindPoint,
): CodedError {
  const why = manifests.flatMap((manifest) => {
    const refusal = baseRefusal(manifest);
    return refusal === null ? [] : [`${manifest.id} cannot be one: ${refusal}`];
  });
  const message =
    log === undefined
      ? `Cannot rewind '${source.name}': there is no lineage ${lineage}`
      : `Cannot rewind to offset ${offset} of lineage ${lineage}: no backup stands before it`;
  return new CodedError('INSTANT_UNREACHABLE', [message, ...why.slice(-3)].join('; '));
}
