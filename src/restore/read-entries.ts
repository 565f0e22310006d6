import { EntrySelector, type EntrySelection, JsonLineReader } from '../entries/index.ts';
import { type Manifest, planBlocks, type Repository } from '../repository/index.ts';

export type ReadRequest = {
  readonly repository: Repository;
  readonly manifest: Manifest;
  readonly selection?: EntrySelection;
  readonly signal?: AbortSignal;
};

/**
 * The JSON Lines of the selected entries, as they are stored, in chunks that end with a line.
 * Throws what reading the repository throws.
 */
export async function* readEntries(request: ReadRequest): AsyncGenerator<Buffer> {
  const { repository, manifest, selection = {}, signal } = request;
  const selector = new EntrySelector(selection);
  const reader = new JsonLineReader();
  for await (const { file, index } of planBlocks(repository, manifest, selection, signal)) {
    const raw = await file.readBlock(index, signal);
    reader.open(raw, 0, raw.length);
    let from = 0;
    let to = 0;
    while (reader.next()) {
      if (selector.wants(reader.header)) {
        to = reader.lineEnd + 1;
        continue;
      }
      if (to > from) yield raw.subarray(from, to);
      from = reader.lineEnd + 1;
      to = from;
    }
    if (to > from) yield raw.subarray(from, to);
  }
}
