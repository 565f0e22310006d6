import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export type CaseRun = {
  readonly cases: number;
  readonly peakBytes: number;
  /** How often each end came: `ok`, or a code. */
  readonly ends: Readonly<Record<string, number>>;
};

/** Small, so that what is held without need shows as an error, not only as a number. */
const HEAP_MIB = 384;

/** Works through hostile cases in a process of its own; throws with the case that repeats it. */
export async function runCases(...args: readonly string[]): Promise<CaseRun> {
  const script = join(import.meta.dirname, 'run-cases.ts');
  const command = [`--max-old-space-size=${HEAP_MIB}`, script, ...args];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, command, {
      maxBuffer: 64 << 20,
    });
    return JSON.parse(stdout) as CaseRun;
  } catch (error) {
    const { stderr = '', signal } = error as { stderr?: string; signal?: string };
    assert.fail(`${stderr || (error as Error).message} (${signal ?? 'no signal'})`);
  }
}
