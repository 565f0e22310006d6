import { type Manifest, openDataFile, type Repository } from '../../src/repository/index.ts';
import { fromJsonLines, type Model } from '../support/truth.ts';

/** The lines of one backup as they are stored: of its keys, or of its instance records. */
export async function storedLines(
  repository: Repository,
  manifest: Manifest,
  kind: 'entries' | 'instance',
): Promise<Buffer> {
  const blocks: Buffer[] = [];
  for (const file of manifest.files) {
    if (file.kind !== kind) continue;
    const reader = await openDataFile(repository.storage, file);
    for (const index of reader.blocks.keys()) blocks.push(await reader.readBlock(index));
  }
  return Buffer.concat(blocks);
}

/** What a backup holds, in the comparable model: keys, functions, scripts. */
export async function storedModel(repository: Repository, manifest: Manifest): Promise<Model> {
  const entries = await storedLines(repository, manifest, 'entries');
  const instance = await storedLines(repository, manifest, 'instance');
  return fromJsonLines(Buffer.concat([entries, instance]), { canonical: true });
}

/** Sorted, for comparisons that do not depend on the order in which workers finished. */
export function sortedLines(lines: Buffer): string[] {
  return lines.toString('utf8').split('\n').sort();
}
