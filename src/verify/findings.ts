import { CodedError } from '../base/index.ts';

/** What verification can find, in one closed table. */
export const FINDINGS = {
  'source-corrupt': 'The record of a source is damaged',
  'manifest-missing': 'The backup has no manifest',
  'manifest-corrupt': 'The manifest is damaged or contradicts itself',
  'manifest-unsupported': 'A newer version wrote the manifest; upgrade to verify it',
  'predecessor-changed': 'The manifest of an earlier backup is not the one that was seen then',
  'file-missing': 'A data file of the backup is gone',
  'file-unreadable': 'The storage could not deliver a data file',
  'file-size': 'A data file has another size than its manifest says',
  'file-digest': 'A data file has another SHA-256 than its manifest says',
  'file-header': 'A data file says that it belongs somewhere else',
  'file-directory': 'The directory of a data file is damaged or contradicts the manifest',
  'block-corrupt': 'A block cannot be decoded to what was stored',
  'block-lines': 'A block holds something else than whole lines of entries',
  'block-entries': 'A block holds another number of keys than its directory says',
  'block-database': 'A block holds keys of another database than its directory says',
  'block-range': 'A block holds keys of another slot range than its directory says',
  'block-parts': 'The parts of a big key are not all there, in order',
  'filter-corrupt': 'A key filter is damaged',
  'filter-incomplete': 'A key filter does not know a key of its blocks',
  'lineage-corrupt': 'The record of a lineage is damaged or gone',
  'segment-missing': 'A stretch of the log between two stored segments is gone',
  'segment-corrupt': 'A segment of the log cannot be read as what was stored',
  'segment-text': 'The text of a segment is annotated in another way than its directory says',
  'segment-facts': 'A segment holds other commands than its directory says',
  'segment-order': 'A segment follows another one than the one that was seen when it was stored',
  'log-index-corrupt': 'The index of a day of the log is damaged; it can be removed',
} as const;

export type FindingCode = keyof typeof FINDINGS;

export type Finding = {
  readonly code: FindingCode;
  /** Name of the stored object. */
  readonly object: string;
  /** Index of the block within the file. */
  readonly block?: number;
  readonly message: string;
};

/** The message of what went wrong, or the thing itself where it is our own bug. */
export function messageOf(error: unknown): string {
  if (error instanceof CodedError) return error.message;
  throw error;
}
