import type { FedServer } from '../feed-source.ts';
import type { RecordedServer } from '../feed/feed-options.ts';
import { always, type Rule } from './rule.ts';

const SCRIPTS = ['EVAL', 'EVALSHA', 'EVAL_RO', 'EVALSHA_RO'];

/**
 * Scripts that were recorded instead of their effects give the same data only in an engine of the
 * same major version: another one orders members of sets differently, or forgets script bodies.
 */
export function scriptRules(
  server: FedServer,
  recorded: RecordedServer,
): Readonly<Record<string, Rule>> {
  const major = recorded.version === null ? null : Number.parseInt(recorded.version);
  if (server.family === recorded.family && Number.parseInt(server.version) === major) return {};
  const engine = `${recorded.family} ${major ?? 'of unknown version'}`;
  const why = `a recorded script is exact only in ${engine}`;
  const rule = always(() => ({ action: 'pass', why }));
  return Object.fromEntries(SCRIPTS.map((name) => [name, rule]));
}
