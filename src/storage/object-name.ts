import { CodedError } from '../base/index.ts';

/** S3 allows 1,024 bytes, and a prefix of the bucket has to fit as well. */
export const MAX_NAME_BYTES = 700;

const MAX_SEGMENT_BYTES = 200;
const SEGMENT = /^[a-z0-9][a-z0-9._-]*$/;

/**
 * Object names are lower-case paths that mean the same on every file system and object store:
 * segments of [a-z0-9._-] that begin with a letter or digit (so neither `..` nor hidden files),
 * separated by single slashes. Throws NAME_INVALID.
 */
export function checkObjectName(name: string): void {
  if (name.length > MAX_NAME_BYTES || !name.split('/').every(isSegment)) {
    throw new CodedError('NAME_INVALID', `Cannot use ${JSON.stringify(name)} as an object name`);
  }
}

/** A prefix is a name that may stop anywhere, also at a slash, also at once. */
export function checkPrefix(prefix: string): void {
  const segments = prefix.split('/');
  const last = segments.pop() as string;
  const fits = prefix.length <= MAX_NAME_BYTES && segments.every(isSegment);
  if (!fits || (last !== '' && !isSegment(last))) {
    throw new CodedError('NAME_INVALID', `Cannot use ${JSON.stringify(prefix)} as a prefix`);
  }
}

function isSegment(segment: string): boolean {
  return segment.length <= MAX_SEGMENT_BYTES && SEGMENT.test(segment);
}
