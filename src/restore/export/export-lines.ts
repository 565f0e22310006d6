import { EntrySelector, JsonLineReader, selectsEverything } from '../../entries/index.ts';
import { type PlannedBlock, planBlocks } from '../../repository/index.ts';
import type { ExportRequest } from './export-requests.ts';
import { emptyExportCounts, type ExportTally } from './export-tally.ts';
import { waitWhilePaused } from './wait-while-paused.ts';

/** Writes the lines of the selected entries as they are stored. */
export async function exportLines(
  request: ExportRequest,
  tally: ExportTally,
  onProgress: (keys: number, bytes: number) => void,
): Promise<void> {
  const { repository, manifest, output, selection = {}, signal, control } = request;
  const selected = selectsEverything(selection) ? everyLine : chooseLines(selection);
  let keys = 0;
  let bytes = 0;
  for await (const planned of planBlocks(repository, manifest, selection, signal)) {
    await waitWhilePaused(control, signal);
    signal?.throwIfAborted();
    const raw = await planned.file.readBlock(planned.index, signal);
    const { keys: found, ranges } = selected(planned, raw);
    for (const range of ranges) await output.write(range);
    const counts = { ...emptyExportCounts(), selected: found, written: found };
    tally.add(planned.block.database, counts, []);
    keys += found;
    bytes += raw.length;
    onProgress(keys, bytes);
  }
}

/** The wanted ranges of a block, and how many keys begin in them. */
type Chosen = { readonly keys: number; readonly ranges: readonly Buffer[] };

function everyLine({ block }: PlannedBlock, raw: Buffer): Chosen {
  return { keys: block.entries, ranges: [raw] };
}

function chooseLines(selection: NonNullable<ExportRequest['selection']>) {
  const selector = new EntrySelector(selection);
  const reader = new JsonLineReader();
  return (_planned: PlannedBlock, raw: Buffer): Chosen => {
    const ranges: Buffer[] = [];
    let keys = 0;
    let from = 0;
    let to = 0;
    reader.open(raw, 0, raw.length);
    while (reader.next()) {
      if (!selector.wants(reader.header)) continue;
      if (reader.header.part === 0) keys++;
      if (reader.lineStart !== to) {
        if (to > from) ranges.push(raw.subarray(from, to));
        from = reader.lineStart;
      }
      to = reader.lineEnd + 1;
    }
    if (to > from) ranges.push(raw.subarray(from, to));
    return { keys, ranges };
  };
}
