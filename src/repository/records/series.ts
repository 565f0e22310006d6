import { isCoded } from '../../base/index.ts';
import type { ObjectInfo, Storage } from '../../storage/index.ts';
import { seriesNumber, seriesObject } from '../layout.ts';
import { encodeDocument, MAX_DOCUMENT_BYTES, parseDocument } from './document.ts';
import type { Fields } from './fields.ts';

/**
 * State that changes, kept in objects that never do: `00000001.json`, `00000002.json`, … in one
 * folder, of which the highest valid number wins. Whoever wants to change it creates the next
 * number; OBJECT_EXISTS means that somebody else was faster.
 */
export type SeriesMember = {
  readonly number: number;
  readonly info: ObjectInfo;
  readonly fields: Fields;
};

/** Newer members may come and old ones go while we look; so often we look again. */
const ATTEMPTS = 5;

/** The member that is true now, or undefined where there is none yet. */
export async function readSeries(
  storage: Storage,
  folder: string,
  format: string,
  signal?: AbortSignal,
): Promise<SeriesMember | undefined> {
  for (let attempt = 1; ; attempt++) {
    const members = await listSeries(storage, folder, signal);
    if (members.length === 0) return undefined;
    try {
      return await highestValid(storage, members, format, signal);
    } catch (error) {
      if (!isCoded(error, 'OBJECT_MISSING') || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Creates member `number`. Durable when resolved; OBJECT_EXISTS when the number is taken. */
export async function writeSeries(
  storage: Storage,
  folder: string,
  format: string,
  number: number,
  members: Readonly<Record<string, unknown>>,
  signal?: AbortSignal,
): Promise<void> {
  await storage.put(seriesObject(folder, number), encodeDocument(format, members), signal);
}

/** The highest number in use, valid or not; 0 for none. The next one to write is one more. */
export async function highestNumber(
  storage: Storage,
  folder: string,
  signal?: AbortSignal,
): Promise<number> {
  const last = (await listSeries(storage, folder, signal)).at(-1);
  return last === undefined ? 0 : last.number;
}

/** Removes the members below `number`. Best effort: they mean nothing any more. */
export async function removeOlder(
  storage: Storage,
  folder: string,
  number: number,
  signal?: AbortSignal,
): Promise<void> {
  try {
    for (const member of await listSeries(storage, folder, signal)) {
      if (member.number < number) await storage.remove(member.info.name, signal);
    }
  } catch {
    // A storage may keep its objects locked; the highest number wins all the same.
  }
}

type Listed = { readonly number: number; readonly info: ObjectInfo };

async function listSeries(
  storage: Storage,
  folder: string,
  signal?: AbortSignal,
): Promise<Listed[]> {
  const members: Listed[] = [];
  for await (const info of storage.list(folder, signal)) {
    const number = seriesNumber(folder, info.name);
    if (number !== undefined) members.push({ number, info });
  }
  return members;
}

/** Throws the highest member's error when none is valid. */
async function highestValid(
  storage: Storage,
  members: readonly Listed[],
  format: string,
  signal?: AbortSignal,
): Promise<SeriesMember> {
  let first: unknown;
  for (const { number, info } of members.toReversed()) {
    const options = { maxBytes: MAX_DOCUMENT_BYTES };
    try {
      const bytes = await storage.read(info.name, options, signal);
      return { number, info, fields: parseDocument(bytes, format, info.name) };
    } catch (error) {
      if (!isCoded(error, 'REPOSITORY_CORRUPT', 'OBJECT_CORRUPT')) throw error;
      first ??= error;
    }
  }
  throw first;
}
