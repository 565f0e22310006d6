import { CodedError } from '../../base/index.ts';

const UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 };

/** `1d`, `12h`, `1h30m`, `45s`: milliseconds, more than none. Throws USAGE. */
export function parseDuration(text: string): number {
  const parts = /^(?:\d{1,6}[dhms])+$/.test(text.trim()) ? (text.match(/\d+[dhms]/g) ?? []) : [];
  const ms = parts.reduce((sum, part) => sum + parseInt(part) * (UNITS[part.slice(-1)] ?? 0), 0);
  if (ms > 0) return ms;
  throw new CodedError('USAGE', `Cannot read the duration '${text}'`, {
    hint: 'Write 1d, 12h, 1h30m or 45s',
  });
}

/** The same, or `off`: null. Throws USAGE. */
export function parseDurationOrOff(text: string): number | null {
  return text.trim().toLowerCase() === 'off' ? null : parseDuration(text);
}
