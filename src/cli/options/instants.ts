import { CodedError } from '../../base/index.ts';

const UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 };

/**
 * An instant in the past, Unix milliseconds: RFC 3339 with a zone, date and time (or date) of this
 * machine's zone, or `-1d2h30m` before `nowMs`. Throws USAGE.
 */
export function parseInstant(text: string, nowMs: number): number {
  const ago = /^-((?:\d{1,6}[dhms])+)$/.exec(text.trim())?.[1];
  if (ago !== undefined) {
    const parts = ago.match(/\d+[dhms]/g) ?? [];
    return nowMs - parts.reduce((sum, part) => sum + parseInt(part) * UNITS[part.slice(-1)], 0);
  }
  const pattern = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/i;
  const match = pattern.exec(text.trim());
  if (match !== null) {
    const [, date, time = '00:00', zone = ''] = match;
    const at = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
    if (!Number.isNaN(at)) return at;
  }
  throw new CodedError('USAGE', `Cannot read the instant '${text}'`, {
    hint: 'Write 2026-11-22T12:30:00Z, 2026-11-22 12:30 (time of this machine), or -1d2h',
  });
}
