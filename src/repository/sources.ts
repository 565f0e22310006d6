import { CodedError, isCoded } from '../base/index.ts';
import {
  descriptionFolder,
  isSourceId,
  newSourceId,
  SOURCES_FOLDER,
  sourceObject,
} from './layout.ts';
import { encodeDocument, MAX_DOCUMENT_BYTES, parseDocument } from './records/document.ts';
import { highestNumber, readSeries, writeSeries } from './records/series.ts';
import type { Repository } from './repository.ts';

const IDENTITY_FORMAT = 'tidemark-source';
const DESCRIPTION_FORMAT = 'tidemark-source-description';
const MAX_MARKS = 64;
const ATTEMPTS = 5;

/** The label of a source that holds what a restore replaced. */
export const UNDO_LABEL = 'undo';

export type SourceKind = 'standalone' | 'cluster' | 'import';

/** A source as the repository knows it. */
export type Source = {
  readonly id: string;
  readonly kind: SourceKind;
  readonly createdAt: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** See `SourceDescription`. */
  readonly marks: readonly string[];
};

export type SourceDescription = {
  readonly name: string;
  readonly kind: SourceKind;
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Everything by which the instance could be known again, as `<what>:<value>`: `run:…`,
   * `replid:…` (both ids), `node:…`, `address:host:port` (not of a loopback address, which means
   * another server on every machine). An instance is the same when it shares one mark with what was
   * seen before; empty marks match anything (imported files).
   */
  readonly marks: readonly string[];
  /** Take the name over for an instance that shares no mark. */
  readonly adopt?: boolean;
};

/** Every source of the repository, in order of id. */
export async function listSources(repository: Repository, signal?: AbortSignal): Promise<Source[]> {
  const sources: Source[] = [];
  for (const id of await listSourceIds(repository, signal)) {
    const source = await readSource(repository, id, signal);
    if (source !== undefined) sources.push(source);
  }
  return sources;
}

/** The ids of everything that looks like a source, also of what is damaged or not yet whole. */
export async function listSourceIds(
  repository: Repository,
  signal?: AbortSignal,
): Promise<string[]> {
  return (await repository.storage.folders(SOURCES_FOLDER, signal)).filter(isSourceId);
}

/**
 * The source of this name or id; without one, the only source there is, beside those that hold
 * undo points. SOURCE_NOT_FOUND and SOURCE_AMBIGUOUS list the candidates.
 */
export async function findSource(
  repository: Repository,
  nameOrId?: string,
  signal?: AbortSignal,
): Promise<Source> {
  // By its id a source is found even where another one is damaged.
  if (nameOrId !== undefined && isSourceId(nameOrId)) {
    const source = await readSource(repository, nameOrId, signal);
    if (source !== undefined) return source;
  }
  const all = await listSources(repository, signal);
  const found =
    nameOrId === undefined
      ? withoutUndo(all)
      : all.filter((source) => source.name === nameOrId || source.id === nameOrId);
  if (found.length === 1) return found[0];
  const listed = (found.length === 0 ? all : found)
    .map((source) => `'${source.name}' (${source.id})`)
    .join(', ');
  if (found.length === 0) {
    const wanted = nameOrId === undefined ? 'a source' : `source '${nameOrId}'`;
    const there = all.length === 0 ? 'the repository has none yet' : `there are ${listed}`;
    throw new CodedError('SOURCE_NOT_FOUND', `Cannot find ${wanted}: ${there}`);
  }
  const message = `Cannot choose a source: ${listed} would do`;
  const details = nameOrId === undefined ? {} : { hint: 'Say which by its id with --source' };
  throw new CodedError('SOURCE_AMBIGUOUS', message, details);
}

/** Undo points are asked for by name. */
function withoutUndo(all: readonly Source[]): readonly Source[] {
  const others = all.filter(({ labels }) => labels[UNDO_LABEL] === undefined);
  return others.length > 0 ? others : all;
}

/**
 * Finds the source of this name or makes it, and records what is new about it. SOURCE_IDENTITY
 * when the name belongs to another instance. Durable when resolved.
 */
export async function ensureSource(
  repository: Repository,
  description: SourceDescription,
  signal?: AbortSignal,
): Promise<Source> {
  checkName(description.name);
  try {
    const source = await findSource(repository, description.name, signal);
    return await updateSource(repository, source, description, signal);
  } catch (error) {
    if (!isCoded(error, 'SOURCE_NOT_FOUND')) throw error;
  }
  return await createSource(repository, description, signal);
}

async function createSource(
  repository: Repository,
  description: SourceDescription,
  signal?: AbortSignal,
): Promise<Source> {
  const { storage, clock, random } = repository;
  const id = newSourceId(description.name, random);
  const createdAt = new Date(clock.now()).toISOString();
  const { name, kind, labels = {}, marks } = description;
  const first = marks.slice(-MAX_MARKS);
  // The description first: a source without one cannot be read, so it must never be seen.
  await writeDescription(repository, id, 1, { name, labels, marks: first }, signal);
  const identity = { id, repository: repository.id, kind, createdAt };
  await storage.put(sourceObject(id), encodeDocument(IDENTITY_FORMAT, identity), signal);
  return { id, kind, createdAt, name, labels, marks: first };
}

async function updateSource(
  repository: Repository,
  source: Source,
  description: SourceDescription,
  signal?: AbortSignal,
): Promise<Source> {
  let known = source;
  for (let attempt = 1; ; attempt++) {
    checkIdentity(known, description);
    const updated = mergeDescription(known, description);
    if (updated === known) return known;
    const folder = descriptionFolder(source.id);
    const next = (await highestNumber(repository.storage, folder, signal)) + 1;
    try {
      await writeDescription(repository, source.id, next, updated, signal);
      return updated;
    } catch (error) {
      if (!isCoded(error, 'OBJECT_EXISTS') || attempt === ATTEMPTS) throw error;
    }
    known = (await readSource(repository, source.id, signal)) ?? known;
  }
}

function checkIdentity(source: Source, description: SourceDescription): void {
  if (description.adopt === true || description.marks.length === 0) return;
  if (source.marks.length === 0 && source.kind === description.kind) return;
  if (description.marks.some((mark) => source.marks.includes(mark))) return;
  throw new CodedError(
    'SOURCE_IDENTITY',
    `Cannot use the name '${description.name}': it belongs to another instance ` +
      `(${source.marks.join(', ')}), not to ${description.marks.join(', ')}`,
  );
}

/** Newest marks last; the oldest are forgotten. Returns `source` itself when nothing is new. */
function mergeDescription(source: Source, description: SourceDescription): Source {
  const news = description.marks.filter((mark) => !source.marks.includes(mark));
  const labels = description.labels ?? source.labels;
  if (news.length === 0 && sameLabels(labels, source.labels)) return source;
  return { ...source, labels, marks: [...source.marks, ...news].slice(-MAX_MARKS) };
}

function sameLabels(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

async function writeDescription(
  repository: Repository,
  id: string,
  number: number,
  description: Pick<Source, 'name' | 'labels' | 'marks'>,
  signal?: AbortSignal,
): Promise<void> {
  const { name, labels, marks } = description;
  const folder = descriptionFolder(id);
  const members = { name, labels, marks };
  await writeSeries(repository.storage, folder, DESCRIPTION_FORMAT, number, members, signal);
}

/** Undefined where the source is not, or not yet, whole. REPOSITORY_CORRUPT where it is damaged. */
export async function readSource(
  repository: Repository,
  id: string,
  signal?: AbortSignal,
): Promise<Source | undefined> {
  const { storage } = repository;
  const object = sourceObject(id);
  let bytes: Buffer;
  try {
    bytes = await storage.read(object, { maxBytes: MAX_DOCUMENT_BYTES }, signal);
  } catch (error) {
    if (isCoded(error, 'OBJECT_MISSING')) return undefined;
    throw error;
  }
  const identity = parseDocument(bytes, IDENTITY_FORMAT, object);
  if (identity.text('id') !== id || identity.text('repository') !== repository.id) {
    throw identity.inconsistent('it belongs to another place');
  }
  const folder = descriptionFolder(id);
  const description = await readSeries(storage, folder, DESCRIPTION_FORMAT, signal);
  if (description === undefined) throw identity.inconsistent('the source has no description');
  return {
    id,
    kind: identity.oneOf('kind', ['standalone', 'cluster', 'import']),
    createdAt: identity.time('createdAt'),
    name: description.fields.text('name'),
    labels: description.fields.textMap('labels'),
    marks: description.fields.texts('marks'),
  };
}

function checkName(name: string): void {
  if (/^[\p{L}\p{N}][\p{L}\p{N} ._:@/-]{0,99}$/u.test(name)) return;
  const message = `Cannot use ${JSON.stringify(name)} as the name of a source`;
  throw new CodedError('NAME_INVALID', message, {
    hint: 'Use up to 100 letters, digits, spaces and . _ : @ / -',
  });
}
