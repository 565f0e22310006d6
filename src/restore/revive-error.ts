import { CodedError, type ErrorCode } from '../base/index.ts';

/** What a thread says of an error: a CodedError cannot cross as such. */
export type ThreadError = { readonly code: string | undefined; readonly message: string };

/** The error that a thread told of, with its code where it had one. */
export function reviveError(error: ThreadError | undefined): Error {
  const { code, message = 'unknown' } = error ?? {};
  if (code === undefined) return new Error(message);
  return new CodedError(code as ErrorCode, message);
}
