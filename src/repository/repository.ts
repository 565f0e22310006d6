import { type Clock, CodedError, isCoded, systemClock } from '../base/index.ts';
import { ReadOnlyStorage, type Storage } from '../storage/index.ts';
import { type RandomBytes, REPOSITORY_OBJECT, SOURCES_FOLDER, systemRandom } from './layout.ts';
import { encodeDocument, MAX_DOCUMENT_BYTES, parseDocument } from './records/document.ts';

const FORMAT = 'tidemark-repository';

/** An open repository: where it is and what it said about itself. Holds nothing open. */
export type Repository = {
  readonly storage: Storage;
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly createdAt: string;
  /**
   * The storage was seen to overwrite existing objects, so nothing protects two writers from each
   * other. Known only after opening for writing.
   */
  readonly singleWriter: boolean;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** Version of the program, for what it writes. */
  readonly writerVersion: string;
};

export type RepositoryOptions = {
  /**
   * `write` makes the repository when nothing is there; `read` needs no right to write and refuses
   * every change.
   */
  readonly mode: 'read' | 'write';
  readonly clock?: Clock;
  readonly random?: RandomBytes;
  readonly writerVersion?: string;
};

/**
 * Opens the repository in a storage. REPOSITORY_MISSING, REPOSITORY_CORRUPT,
 * REPOSITORY_UNSUPPORTED (naming what it requires), and the storage's own codes.
 */
export async function openRepository(
  storage: Storage,
  options: RepositoryOptions,
  signal?: AbortSignal,
): Promise<Repository> {
  const writing = options.mode === 'write';
  let bytes = await readIdentity(storage, signal);
  if (bytes === undefined) {
    if (!writing) throw missing(storage);
    await createRepository(storage, options, signal);
    bytes = await readIdentity(storage, signal);
    if (bytes === undefined) throw missing(storage);
  }
  const fields = parseDocument(bytes, FORMAT, REPOSITORY_OBJECT);
  if (!fields.isNull('encryption')) {
    throw fields.inconsistent('encryption should be null where nothing requires it');
  }
  return {
    storage: writing ? storage : new ReadOnlyStorage(storage),
    id: fields.text('id', /^[0-9a-f]{32}$/),
    createdAt: fields.time('createdAt'),
    singleWriter: writing && !(await honoursIfNotExists(storage, bytes, signal)),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    writerVersion: options.writerVersion ?? '0.0.0',
  };
}

async function readIdentity(storage: Storage, signal?: AbortSignal): Promise<Buffer | undefined> {
  try {
    return await storage.read(REPOSITORY_OBJECT, { maxBytes: MAX_DOCUMENT_BYTES }, signal);
  } catch (error) {
    if (isCoded(error, 'OBJECT_MISSING')) return undefined;
    throw error;
  }
}

async function createRepository(
  storage: Storage,
  options: RepositoryOptions,
  signal?: AbortSignal,
): Promise<void> {
  for await (const info of storage.list(SOURCES_FOLDER, signal)) {
    throw new CodedError(
      'REPOSITORY_CORRUPT',
      `Cannot make a repository at ${storage.location}: it has '${info.name}' but no ` +
        `'${REPOSITORY_OBJECT}'`,
      { object: REPOSITORY_OBJECT, hint: 'Put repository.json back, or choose another place' },
    );
  }
  const random = options.random ?? systemRandom;
  const document = encodeDocument(FORMAT, {
    id: Buffer.from(random(16)).toString('hex'),
    createdAt: new Date((options.clock ?? systemClock).now()).toISOString(),
    encryption: null,
  });
  try {
    await storage.put(REPOSITORY_OBJECT, document, signal);
  } catch (error) {
    // Somebody else made it at the same moment: theirs is as good.
    if (!isCoded(error, 'OBJECT_EXISTS')) throw error;
  }
}

/** Asks by storing the same bytes under the same name again, which can do no harm. */
async function honoursIfNotExists(
  storage: Storage,
  bytes: Buffer,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    await storage.put(REPOSITORY_OBJECT, bytes, signal);
    return false;
  } catch (error) {
    if (isCoded(error, 'OBJECT_EXISTS')) return true;
    throw error;
  }
}

function missing(storage: Storage): CodedError {
  return new CodedError('REPOSITORY_MISSING', `Cannot find a repository at ${storage.location}`, {
    object: REPOSITORY_OBJECT,
  });
}
