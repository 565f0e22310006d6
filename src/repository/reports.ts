import { CodedError } from '../base/index.ts';
import { reportObject } from './layout.ts';
import { encodeDocument } from './records/document.ts';
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
