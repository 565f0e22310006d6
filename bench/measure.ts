import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What one run of a program took, as the operating system counts it. */
export type Run = {
  readonly wallSeconds: number;
  /** User and system, of the program and the children that it waited for. */
  readonly cpuSeconds: number;
  /** Peak of the largest single process. */
  readonly peakMiB: number;
};

const TICKS_PER_SECOND = 100;
const SAMPLE_MS = 20;

/**
 * Runs a program to its end and measures it. `stdin`: a file descriptor. Its CPU time is read from
 * /proc shortly before it ends, so runs of less than a few tens of milliseconds are not told apart.
 */
export function measure(
  command: readonly [string, ...string[]],
  stdin: 'ignore' | number = 'ignore',
): Promise<Run> {
  const [file, ...args] = command;
  return new Promise((resolve, reject) => {
    const begunAt = process.hrtime.bigint();
    const child = spawn(file, args, { stdio: [stdin, 'ignore', 'pipe'] });
    let errors = '';
    let cpuSeconds = 0;
    let peakMiB = 0;
    child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const sample = (): void => {
      for (const pid of processTree(child.pid as number)) {
        const found = readProcess(pid);
        if (found === undefined) continue;
        peakMiB = Math.max(peakMiB, found.peakMiB);
        seen.set(pid, found.cpuSeconds);
      }
      cpuSeconds = [...seen.values()].reduce((sum, seconds) => sum + seconds, 0);
    };
    const seen = new Map<number, number>();
    const timer = setInterval(sample, SAMPLE_MS);
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      const wallSeconds = Number(process.hrtime.bigint() - begunAt) / 1e9;
      if (code === 0) resolve({ wallSeconds, cpuSeconds, peakMiB });
      else reject(new Error(`${command.join(' ')} ended with ${code}: ${errors.slice(-2000)}`));
    });
  });
}

/** The process and its descendants. */
function processTree(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    const pids = children === '' ? [] : children.split(' ').map(Number);
    return [pid, ...pids.flatMap(processTree)];
  } catch {
    return [pid];
  }
}

function readProcess(pid: number): { cpuSeconds: number; peakMiB: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      peakMiB: Number(peak?.[1] ?? 0) / 1024,
    };
  } catch {
    return undefined;
  }
}

/** CPU seconds that a running process has used so far. */
export function cpuSecondsOf(pid: number): number {
  return readProcess(pid)?.cpuSeconds ?? 0;
}

/** What a process and its descendants have used so far, and hold now. */
export function usageOf(pid: number): { readonly cpuSeconds: number; readonly memoryMiB: number } {
  let cpuSeconds = 0;
  let memoryMiB = 0;
  for (const each of processTree(pid)) {
    cpuSeconds += cpuSecondsOf(each);
    memoryMiB += residentMiB(each);
  }
  return { cpuSeconds, memoryMiB };
}

function residentMiB(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
