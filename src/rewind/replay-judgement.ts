import type { FailedCommands, ReplayErrors, TranslationReport } from '../replay/index.ts';

/** What a translation had to give up, one sentence by command. */
export function inexactCommands({ inexact }: TranslationReport): string[] {
  return Object.entries(inexact).map(([name, { count, why }]) => `${count} × ${name}: ${why}`);
}

/** What a sandbox refused, one sentence by command. */
export function refusedCommands(failed: readonly FailedCommands[]): string[] {
  return failed.map(({ command, count, error }) => {
    const name = command === null ? 'commands' : command.toUpperCase();
    return `${count} × ${name} refused${error === null ? '' : `: ${error}`}`;
  });
}

/** What a server counted against its master while it was fed; it may have had other clients. */
export function judgeErrors({ unexpected, byCommand }: ReplayErrors): string[] {
  if (unexpected === null || unexpected === 0) return [];
  const named = Object.entries(byCommand).map(([name, count]) => `${count} × ${name}`);
  const by = named.length === 0 ? '' : ` (failed meanwhile: ${named.join(', ')})`;
  return [`the target refused ${unexpected} of our commands${by}`];
}
