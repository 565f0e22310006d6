import type { Difference } from '../../src/browse/index.ts';
import type { Manifest, Repository } from '../../src/repository/index.ts';
import { storedModel } from '../backup/stored-lines.ts';
import type { KeyModel, ValueModel } from '../support/truth.ts';

/**
 * What a comparison must find, by another way: both backups are read whole by the tests' own reader
 * and their models compared. `added 0 user:1`, sorted; keys as Latin-1.
 */
export async function expectedDifferences(
  repository: Repository,
  before: Manifest,
  after: Manifest,
): Promise<string[]> {
  const old = (await storedModel(repository, before)).keys;
  const now = (await storedModel(repository, after)).keys;
  const found: string[] = [];
  for (const [id, key] of now) {
    const other = old.get(id);
    const kind = other === undefined ? 'added' : compareKeys(other, key);
    if (kind !== 'equal') found.push(`${kind} ${key.db} ${key.key}`);
  }
  for (const [id, key] of old) if (!now.has(id)) found.push(`removed ${key.db} ${key.key}`);
  return found.sort();
}

function compareKeys(before: KeyModel, after: KeyModel): string {
  if (before.type !== after.type) return 'changed';
  if (canonical(before.value) !== canonical(after.value)) return 'changed';
  return before.expireAt === after.expireAt ? 'equal' : 'ttl-changed';
}

/** Without what a value digest leaves out (docs/formats/entries.md, section 8). */
function canonical(value: ValueModel): string {
  const left = new Set(['seenAt', 'activeAt', 'firstId', 'idmp', 'timesApprox']);
  return JSON.stringify(value, (name, member: unknown) => (left.has(name) ? undefined : member));
}

export function describeDifference({ kind, db, key }: Difference): string {
  return `${kind} ${db} ${key.toString('latin1')}`;
}
