import { CodedError } from '../../base/index.ts';

const FACTORS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1 << 10,
  mib: 1 << 20,
  gib: 1 << 30,
};

/** `20MiB/s`, `1.5 GB`: bytes per second. Throws USAGE. */
export function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)(?:\/s)?$/i.exec(text.trim());
  const factor = FACTORS[match?.[2]?.toLowerCase() ?? ''];
  const bytes = factor === undefined ? 0 : Math.floor(Number(match?.[1]) * factor);
  if (bytes >= 1 && Number.isSafeInteger(bytes)) return bytes;
  throw new CodedError('USAGE', `Cannot read the rate '${text}'`, {
    hint: 'Give a number and a unit: 20MiB/s (B, KB, MB, GB, KiB, MiB, GiB)',
  });
}

/** A whole number of at least 1, named in the message. Throws USAGE. */
export function parseCount(what: string, most = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const count = /^\d{1,16}$/.test(text) ? Number(text) : 0;
    if (count >= 1 && count <= most) return count;
    const range = most === Number.MAX_SAFE_INTEGER ? 'of at least 1' : `from 1 to ${most}`;
    throw new CodedError('USAGE', `Cannot use '${text}' as ${what}`, {
      hint: `Give a whole number ${range}`,
    });
  };
}

/** Number of a database. Throws USAGE. */
export function parseDatabase(text: string): number {
  const db = /^\d{1,10}$/.test(text.trim()) ? Number(text) : -1;
  if (db >= 0 && db <= 0x7fffffff) return db;
  throw new CodedError('USAGE', `Cannot use '${text}' as the number of a database`, {
    hint: 'Databases are numbered from 0: --db 0,3',
  });
}

/** `0:5,1:6` added to what earlier options said. Throws USAGE. */
export function parseDatabaseMap(
  text: string,
  before: ReadonlyMap<number, number> | undefined,
): ReadonlyMap<number, number> {
  const map = new Map(before);
  for (const pair of text.split(',')) {
    const [from, to, ...rest] = pair.split(':');
    if (from === undefined || to === undefined || rest.length > 0) {
      throw new CodedError('USAGE', `Cannot read the database mapping '${pair}'`, {
        hint: 'Write FROM:TO, as in --map-db 0:5,1:6',
      });
    }
    const key = parseDatabase(from);
    if (map.has(key)) throw new CodedError('USAGE', `Cannot map database ${key} twice`);
    map.set(key, parseDatabase(to));
  }
  return map;
}

/** `key=value`, added to what earlier options said. Throws USAGE. */
export function parseLabel(
  text: string,
  before: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) {
    throw new CodedError('USAGE', `Cannot read the label '${text}'`, {
      hint: 'Write NAME=VALUE, as in --label team=shop',
    });
  }
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
