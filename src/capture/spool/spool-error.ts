import { CodedError } from '../../base/index.ts';

/** A failure of the local disk: SPOOL_FULL, or STORAGE_FAILED. */
export function spoolError(what: string, error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new CodedError(isFull ? 'SPOOL_FULL' : 'STORAGE_FAILED', `${what}: ${code}`, {
    cause: error,
    hint: isFull ? 'Free some space where the spool is' : 'Check the folder of the spool (--spool)',
  });
}
