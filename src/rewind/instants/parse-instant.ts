import { CodedError, printableBytes } from '../../base/index.ts';

/** An instant as somebody wrote it; nothing is looked up yet. */
export type ParsedInstant = ParsedTime | ParsedPlace;

/** One that a clock tells (`resolveTime`). */
export type ParsedTime =
  /** With its zone: exact. */
  | { readonly kind: 'time'; readonly ms: number }
  /** Date and time of a zone that is not said: what UTC would show the same at. */
  | { readonly kind: 'local'; readonly wallMs: number }
  /** A time of day, in milliseconds since midnight. */
  | { readonly kind: 'clock'; readonly dayMs: number }
  /** So long before now. */
  | { readonly kind: 'ago'; readonly ms: number };

/** One that only the log can tell. */
export type ParsedPlace =
  | { readonly kind: 'latest' }
  | { readonly kind: 'offset'; readonly lineage: string; readonly offset: number }
  | { readonly kind: 'mark'; readonly id: string };

/** What `--before` names: the last cut before a command. */
export type ParsedBefore =
  | { readonly kind: 'mark'; readonly id: string }
  | { readonly kind: 'last'; readonly mark: 'FLUSHALL' | 'FLUSHDB' | 'SWAPDB' };

const UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 };

const TIME = '(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:\\.(\\d{1,9}))?)?';
const CLOCK = new RegExp(`^${TIME}$`);
const DATED = new RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)(?:[T ]${TIME}(Z|[+-]\\d\\d:\\d\\d)?)?$`, 'i');

const FORMS =
  'Write 2026-11-22T12:30:00Z, "2026-11-22 12:30" or 14:02 (time of this machine), -10m, latest, ' +
  'offset:LINEAGE:N or mark:ID';

/**
 * Reads an instant: RFC 3339 with a zone; date, or date and time, without one; `14:02[:07]`;
 * `-1d2h30m`; `latest`; `offset:<lineage>:<n>`; `mark:<id>`. Throws INSTANT_INVALID.
 */
export function parseInstant(given: string): ParsedInstant {
  const text = given.trim();
  const parsed = parsePlace(text) ?? parseAgo(text) ?? parseClock(text) ?? parseDated(text);
  if (parsed !== undefined) return parsed;
  throw new CodedError('INSTANT_INVALID', `Cannot read the instant ${quoted(given)}`, {
    hint: FORMS,
  });
}

/** Reads what `--before` takes: a mark's id, or `last:FLUSHALL`. Throws INSTANT_INVALID. */
export function parseBefore(given: string): ParsedBefore {
  const text = given.trim();
  const last = /^last:(FLUSHALL|FLUSHDB|SWAPDB)$/i.exec(text)?.[1].toUpperCase();
  if (last === 'FLUSHALL' || last === 'FLUSHDB' || last === 'SWAPDB') {
    return { kind: 'last', mark: last };
  }
  const id = /^(?:mark:)?([a-z0-9]{6})$/i.exec(text)?.[1];
  if (id !== undefined) return { kind: 'mark', id: id.toLowerCase() };
  throw new CodedError(
    'INSTANT_INVALID',
    `Cannot read ${quoted(given)} as a command to go before`,
    {
      hint: 'Write the id of a mark, or last:FLUSHALL, last:FLUSHDB, last:SWAPDB',
    },
  );
}

function parsePlace(text: string): ParsedPlace | undefined {
  if (/^latest$/i.test(text)) return { kind: 'latest' };
  const mark = /^mark:([a-z0-9]{6})$/i.exec(text)?.[1];
  if (mark !== undefined) return { kind: 'mark', id: mark.toLowerCase() };
  const place = /^offset:([a-z0-9][a-z0-9-]*):(\d{1,16})$/i.exec(text);
  if (place === null) return undefined;
  const offset = Number(place[2]);
  if (!Number.isSafeInteger(offset)) return undefined;
  return { kind: 'offset', lineage: place[1].toLowerCase(), offset };
}

function parseAgo(text: string): ParsedTime | undefined {
  const ago = /^-((?:\d{1,6}[dhms])+)$/.exec(text)?.[1];
  if (ago === undefined) return undefined;
  const parts = ago.match(/\d+[dhms]/g) ?? [];
  const ms = parts.reduce((sum, part) => sum + Number.parseInt(part) * UNITS[part.slice(-1)], 0);
  return { kind: 'ago', ms };
}

function parseClock(text: string): ParsedTime | undefined {
  const match = CLOCK.exec(text);
  if (match === null) return undefined;
  const dayMs = timeOfDay(match[1], match[2], match[3], match[4]);
  return dayMs === undefined ? undefined : { kind: 'clock', dayMs };
}

function parseDated(text: string): ParsedTime | undefined {
  const match = DATED.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour = '00', minute = '00', second, fraction, zone] = match;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  // What is no date, as the 30th of February, comes back as another one.
  if (date.toISOString().slice(0, 10) !== `${year}-${month}-${day}`) return undefined;
  const dayMs = timeOfDay(hour, minute, second, fraction);
  if (dayMs === undefined) return undefined;
  const wallMs = date.getTime() + dayMs;
  if (zone === undefined) return { kind: 'local', wallMs };
  const ahead = /^[zZ]$/.test(zone) ? 0 : timeOfDay(zone.slice(1, 3), zone.slice(4, 6));
  if (ahead === undefined) return undefined;
  return { kind: 'time', ms: zone.startsWith('-') ? wallMs + ahead : wallMs - ahead };
}

/** Milliseconds since midnight; digits behind the third of a second's fraction are cut off. */
function timeOfDay(hour: string, minute: string, second = '00', fraction = ''): number | undefined {
  const [h, m, s] = [Number(hour), Number(minute), Number(second)];
  if (h > 23 || m > 59 || s > 59) return undefined;
  const ms = Number(fraction.slice(0, 3).padEnd(3, '0'));
  return ((h * 60 + m) * 60 + s) * 1000 + ms;
}

function quoted(text: string): string {
  return printableBytes(Buffer.from(text));
}
