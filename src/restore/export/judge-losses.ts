import type { Verdict } from '../encode/guarded-encoder.ts';
import { REFUSED_LOSSES } from '../policies.ts';

/** What is said of a value that the target holds without some of it; undefined: it holds all. */
export function judgeLosses(losses: readonly string[], allowInexact: boolean): Verdict | undefined {
  if (losses.length === 0) return undefined;
  const isRefused = losses.some((loss) => REFUSED_LOSSES.has(loss)) && !allowInexact;
  return { code: isRefused ? 'failed' : 'inexact', reason: losses.join(', ') };
}
