import { CodedError, type ErrorCode } from '../base/index.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'OBJECT_MISSING',
  ENOTDIR: 'OBJECT_MISSING',
  EISDIR: 'OBJECT_MISSING',
  EEXIST: 'OBJECT_EXISTS',
  ENOSPC: 'STORAGE_FULL',
  EDQUOT: 'STORAGE_FULL',
  EACCES: 'STORAGE_READ_ONLY',
  EPERM: 'STORAGE_READ_ONLY',
  EROFS: 'STORAGE_READ_ONLY',
};

/** What a system call's failure means to a storage. CodedErrors and abort reasons pass through. */
export function asStorageError(error: unknown, doing: string, object: string): unknown {
  if (error instanceof CodedError) return error;
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  const code = CODES[errno] ?? 'STORAGE_FAILED';
  const found = (error as Error).message;
  return new CodedError(code, `Cannot ${doing} '${object}': ${found}`, { object, cause: error });
}

export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('syscall' in error)) return undefined;
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : undefined;
}
