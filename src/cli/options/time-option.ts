import { CodedError } from '../../base/index.ts';
import { parseInstant, resolveTime } from '../../rewind/index.ts';

/**
 * An instant that a clock tells, in the grammar of `--at`: Unix milliseconds. What only a log could
 * tell (`latest`, an offset, a mark) is USAGE here; INSTANT_INVALID for what is no instant.
 */
export function readTime(text: string, nowMs: number): number {
  const parsed = parseInstant(text);
  if (parsed.kind === 'latest' || parsed.kind === 'offset' || parsed.kind === 'mark') {
    throw new CodedError('USAGE', `Cannot use '${text}' here: it has to be a time`);
  }
  return resolveTime(parsed, { nowMs }).ms;
}
