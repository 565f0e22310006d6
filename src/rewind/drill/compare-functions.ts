import { type Manifest, readInstanceRecord, type Repository } from '../../repository/index.ts';

export type FunctionComparison = {
  readonly compared: number;
  /** What tells them apart: the first line of a library that only one side has. */
  readonly different: readonly string[];
};

type Side = { readonly repository: Repository; readonly manifest: Manifest };

/** Function libraries by their source text: each has to be on both sides. */
export async function compareFunctions(
  before: Side,
  after: Side,
  signal?: AbortSignal,
): Promise<FunctionComparison> {
  const [wanted, found] = [await libraries(before, signal), await libraries(after, signal)];
  const missing = [...wanted].filter((text) => !found.has(text));
  const different = [...missing, ...[...found].filter((text) => !wanted.has(text))];
  return {
    compared: found.size + missing.length,
    different: different.map((text) => text.split('\n', 1)[0].slice(0, 200)).sort(),
  };
}

async function libraries({ repository, manifest }: Side, signal?: AbortSignal) {
  const texts = new Set<string>();
  for (const file of manifest.files) {
    if (file.kind !== 'instance') continue;
    for await (const line of readInstanceRecord(repository, file, signal)) {
      const { type, value } = line as { readonly type?: unknown; readonly value?: unknown };
      if (type === 'function' && typeof value === 'string') texts.add(value);
    }
  }
  return texts;
}
