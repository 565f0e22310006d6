import { CodedError } from '../../base/index.ts';
import type { ParsedTime } from './parse-instant.ts';
import {
  formatInZone,
  formatWithOffset,
  machineZone,
  offsetsNear,
  readingsOf,
  wallClock,
} from './zones.ts';

export type TimeSetting = {
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** As in "Europe/Berlin"; the machine's where it is not said. */
  readonly zone?: string;
};

export type ResolvedTime = {
  /** Unix milliseconds. */
  readonly ms: number;
  /** RFC 3339 with the zone's offset: what was understood. */
  readonly local: string;
  /** What has to be said aloud, one sentence without a period; null: nothing is surprising. */
  readonly note: string | null;
};

const DAY_MS = 86_400_000;

/**
 * The instant that somebody meant. A time of day that is still to come today is yesterday's, and
 * the note says so. A local time that clocks showed twice, or never, is refused: INSTANT_INVALID
 * names both readings.
 */
export function resolveTime(parsed: ParsedTime, setting: TimeSetting): ResolvedTime {
  const zone = setting.zone ?? machineZone();
  switch (parsed.kind) {
    case 'time':
      return resolved(parsed.ms, zone, null);
    case 'ago':
      return resolved(setting.nowMs - parsed.ms, zone, null);
    case 'local':
      return resolved(onlyReading(parsed.wallMs, zone), zone, null);
    case 'clock':
      return resolveClock(parsed.dayMs, setting.nowMs, zone);
  }
}

function resolveClock(dayMs: number, nowMs: number, zone: string): ResolvedTime {
  const wallNow = wallClock(nowMs, zone);
  const midnight = Math.floor(wallNow / DAY_MS) * DAY_MS;
  const today = readingsOf(midnight + dayMs, zone);
  // Where clocks never show it today, its place is where they jump over it.
  const earliest = today[0] ?? midnight + dayMs - Math.max(...offsetsNear(midnight + dayMs, zone));
  if (earliest <= nowMs) return resolved(onlyReading(midnight + dayMs, zone), zone, null);
  const time = new Date(dayMs).toISOString().slice(11, 19);
  const note = `${time} is still to come today, so yesterday's is meant`;
  return resolved(onlyReading(midnight - DAY_MS + dayMs, zone), zone, note);
}

function resolved(ms: number, zone: string, note: string | null): ResolvedTime {
  if (Math.abs(ms) > 8.64e15) {
    throw new CodedError('INSTANT_INVALID', 'The instant lies beyond every calendar');
  }
  return { ms, local: formatInZone(ms, zone), note };
}

/** The instant at which clocks in `zone` show `wallMs`, when it is one. */
function onlyReading(wallMs: number, zone: string): number {
  const readings = readingsOf(wallMs, zone);
  if (readings.length === 1) return readings[0];
  const shown = new Date(wallMs).toISOString().slice(0, 19).replace('T', ' ');
  if (readings.length > 1) {
    const forms = readings.map((ms) => formatInZone(ms, zone)).join(' or ');
    throw new CodedError(
      'INSTANT_INVALID',
      `Clocks in ${zone} showed ${shown} twice: it is ${forms}`,
      { hint: `Write ${forms}` },
    );
  }
  const forms = offsetsNear(wallMs, zone)
    .toSorted((a, b) => b - a)
    .map((offset) => {
      const meant = formatWithOffset(wallMs, offset);
      return `${meant} (${formatInZone(wallMs - offset, zone)})`;
    })
    .join(' or ');
  throw new CodedError(
    'INSTANT_INVALID',
    `Clocks in ${zone} never showed ${shown}: they were put forward; it may mean ${forms}`,
    { hint: 'Write it with its zone, as in the message' },
  );
}
