import { CodedError, isCoded } from '../base/index.ts';
import { isReportObject, reportObject, reportsFolder } from './layout.ts';
import { encodeDocument, MAX_DOCUMENT_BYTES, parseDocument } from './records/document.ts';
import type { Repository } from './repository.ts';

const FORMAT = 'tidemark-report';

/**
 * Keeps what a task on one source did: what happened is worth knowing when nobody remembers it.
 * `report` is anything that JSON can express; nothing is restored from it. Durable when resolved,
 * `false` where the repository may only be read. Throws the storage's other codes.
 */
export async function storeReport(
  repository: Repository,
  source: string,
  task: string,
  report: unknown,
  signal?: AbortSignal,
): Promise<boolean> {
  const { storage, clock } = repository;
  const storedAt = new Date(clock.now()).toISOString();
  const document = encodeDocument(FORMAT, { source, task, storedAt, report });
  try {
    await storage.put(reportObject(source, clock.now(), task), document, signal);
    return true;
  } catch (error) {
    if (error instanceof CodedError && error.code === 'STORAGE_READ_ONLY') return false;
    throw error;
  }
}

export type StoredReport = {
  readonly task: string;
  /** RFC 3339 in UTC with milliseconds. */
  readonly storedAt: string;
  /** As it was given; nobody has checked it since. */
  readonly report: unknown;
};

/** The reports of a source, the newest first, read as asked for; damaged ones are left out. */
export async function* readReports(
  { storage }: Repository,
  source: string,
  signal?: AbortSignal,
): AsyncGenerator<StoredReport> {
  const names: string[] = [];
  for await (const { name } of storage.list(reportsFolder(source), signal)) {
    if (isReportObject(source, name)) names.push(name);
  }
  for (const name of names.toReversed()) {
    try {
      const bytes = await storage.read(name, { maxBytes: MAX_DOCUMENT_BYTES }, signal);
      const fields = parseDocument(bytes, FORMAT, name);
      const { report } = JSON.parse(bytes.toString('utf8')) as { report: unknown };
      yield { task: fields.text('task'), storedAt: fields.time('storedAt'), report };
    } catch (error) {
      const isGone = isCoded(error, 'OBJECT_MISSING', 'OBJECT_CORRUPT');
      if (!isGone && !isCoded(error, 'REPOSITORY_CORRUPT', 'REPOSITORY_UNSUPPORTED')) throw error;
    }
  }
}
