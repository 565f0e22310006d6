import type { ResolvedInstant, RewindPlan } from '../../rewind/index.ts';
import {
  formatBytes,
  formatDuration,
  formatLocalTime,
  formatUtc,
  printable,
} from '../output/format.ts';
import { formatFacts } from '../output/text-table.ts';

/** What a command understood of an instant, for whoever is about to act on it. */
export function describePoint(resolved: ResolvedInstant, plan: RewindPlan, nowMs: number): string {
  const { point, lastCommand, notes } = resolved;
  const { uncertain } = point;
  const facts = formatFacts([
    ['instant', `${formatMoment(point.atMs)}, ${formatDistance(point.atMs, nowMs)}`],
    ['last command', lastCommand === null ? 'none near it' : describeCommand(lastCommand)],
    [
      'uncertain',
      uncertain === null
        ? null
        : `between ${formatMillis(uncertain.fromMs)} and ${formatMillis(uncertain.toMs)}`,
    ],
    ['log', `offset ${point.offset} of lineage ${point.lineage}`],
    ['from', `backup ${plan.base.id} and ${formatBytes(plan.streamBytes)} of log`],
  ]);
  return facts + notes.map((text) => `note: ${text}\n`).join('');
}

/** The same for `--json`. */
export function pointDocument({ point, lastCommand, notes }: ResolvedInstant, plan: RewindPlan) {
  return {
    at: new Date(point.atMs).toISOString(),
    shard: point.shard,
    lineage: point.lineage,
    offset: point.offset,
    lastCommand: lastCommand && {
      name: lastCommand.name,
      db: lastCommand.database,
      offset: lastCommand.offset,
      at: new Date(lastCommand.atMs).toISOString(),
    },
    uncertain: point.uncertain && {
      from: new Date(point.uncertain.fromMs).toISOString(),
      to: new Date(point.uncertain.toMs).toISOString(),
    },
    orphan: point.isOrphan,
    base: plan.base.id,
    logBytes: plan.streamBytes,
    notes,
  };
}

function describeCommand({ name, database, atMs }: NonNullable<ResolvedInstant['lastCommand']>) {
  return `${printable(name)} in database ${database} at ${formatMoment(atMs)}`;
}

/** To the millisecond: log places are that near to each other. */
function formatMoment(ms: number): string {
  return `${formatLocalTime(ms)}${formatFraction(ms)} local time (${formatMillis(ms)})`;
}

function formatMillis(ms: number): string {
  return `${formatUtc(ms).replace(/Z$/, '')}${formatFraction(ms)}Z`;
}

function formatFraction(ms: number): string {
  return `.${String(ms % 1000).padStart(3, '0')}`;
}

function formatDistance(atMs: number, nowMs: number): string {
  const ms = nowMs - atMs;
  return ms < 0 ? `in ${formatDuration(-ms)}` : `${formatDuration(ms)} ago`;
}
