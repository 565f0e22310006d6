import type { Expiry } from './translate-options.ts';

/** What an expiry's number counts: seconds or milliseconds, from now or from 1970. */
export type ExpiryUnit = { readonly ms: 1 | 1000; readonly isRelative: boolean };

export const SECONDS: ExpiryUnit = { ms: 1000, isRelative: true };
export const MILLISECONDS: ExpiryUnit = { ms: 1, isRelative: true };
export const SECONDS_AT: ExpiryUnit = { ms: 1000, isRelative: false };
export const MILLISECONDS_AT: ExpiryUnit = { ms: 1, isRelative: false };

/** Of the options of SET, GETEX, HSETEX and MSETEX. */
export function unitOfOption(option: string): ExpiryUnit | undefined {
  switch (option) {
    case 'EX':
      return SECONDS;
    case 'PX':
      return MILLISECONDS;
    case 'EXAT':
      return SECONDS_AT;
    case 'PXAT':
      return MILLISECONDS_AT;
    default:
      return undefined;
  }
}

/** Whether an expiry of this unit has to be written otherwise. */
export function changesExpiry(unit: ExpiryUnit, expiry: Expiry): boolean {
  return unit.isRelative || expiry.persists || expiry.shiftMs !== 0;
}

/**
 * The instant in Unix milliseconds, shifted, as decimal text. A relative one counts from `atMs`.
 * undefined: `argument` is no whole number, which no server would have let into its stream.
 */
export function absoluteExpiry(
  argument: Buffer,
  unit: ExpiryUnit,
  atMs: number,
  expiry: Expiry,
): string | undefined {
  const text = argument.toString('latin1', 0, 24);
  if (!/^-?\d{1,19}$/.test(text)) return undefined;
  const from = (unit.isRelative ? atMs : 0) + expiry.shiftMs;
  const value = Number(text) * unit.ms + from;
  if (Number.isSafeInteger(value)) return String(value);
  return String(BigInt(text) * BigInt(unit.ms) + BigInt(from));
}
