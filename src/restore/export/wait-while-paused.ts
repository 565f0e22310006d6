import type { RunControl } from '../../base/index.ts';

/** Stands still as long as the control says so. */
export async function waitWhilePaused(
  control: RunControl | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  while (control?.settings.paused === true && signal?.aborted !== true) {
    await control.changed(signal);
  }
}
