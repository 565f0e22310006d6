import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { median, type Run } from './measure.ts';

/** A program that is measured: ours first, then those that it is compared with. */
export type Program = { readonly name: string; readonly run: () => Promise<Run> };

export type Facts = {
  readonly shape: string;
  readonly what: string;
  /** Bytes of the RDB. */
  readonly bytes: number;
  /** What else is known of it, for the table and the results. */
  readonly more?: Readonly<Record<string, number>>;
};

export type Comparison = Facts & {
  readonly programs: readonly { readonly name: string; readonly runs: readonly Run[] }[];
};

/** Every program in turn, so that a machine which changes its speed changes it for all. */
export async function compare(
  facts: Facts,
  programs: readonly Program[],
  rounds: number,
): Promise<Comparison> {
  const measured = programs.map(({ name }) => ({ name, runs: [] as Run[] }));
  for (let round = 0; round < rounds; round++) {
    for (const [index, { run }] of programs.entries()) measured[index].runs.push(await run());
  }
  const comparison = { ...facts, programs: measured };
  console.log(describe(comparison));
  return comparison;
}

/** Medians of the wall times, and the median of the ratios of neighbouring runs with its spread. */
function describe({ shape, what, bytes, more = {}, programs }: Comparison): string {
  const [ours, ...others] = programs;
  const wall = (runs: readonly Run[]): string =>
    median(runs.map(({ wallSeconds }) => wallSeconds)).toFixed(2);
  const cpu = median(ours.runs.map(({ cpuSeconds }) => cpuSeconds));
  const peak = Math.round(Math.max(...ours.runs.map(({ peakMiB }) => peakMiB)));
  const lines = others.map(({ name, runs }) => {
    const ratios = ours.runs.map((run, i) => run.wallSeconds / runs[i].wallSeconds);
    const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
    return `    ${name} ${wall(runs)} s, ratio ${median(ratios).toFixed(2)} (${spread})\n`;
  });
  const facts = Object.entries(more).map(([name, value]) => `; ${name} ${round(value)}`);
  return (
    `${shape} ${what}: ${wall(ours.runs)} s, CPU ${cpu.toFixed(2)} s = ` +
    `${(cpu / (bytes / 1e6)).toFixed(4)} s per MB of RDB, peak ${peak} MiB${facts.join('')}\n` +
    lines.join('')
  ).trimEnd();
}

function round(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
}

/** A line of JSON for every run of every program. */
export function writeResults(
  folder: string,
  comparisons: readonly Comparison[],
  conditions: Readonly<Record<string, unknown>>,
): string {
  const rows = comparisons.flatMap(({ programs, ...facts }) =>
    programs.flatMap(({ name, runs }) =>
      runs.map((run, index) => ({
        ...conditions,
        ...facts,
        program: name,
        run: index + 1,
        ...run,
      })),
    ),
  );
  return writeRows(folder, rows);
}

/** A line of JSON for every row, with the time and the machine; gives the name of the file. */
export function writeRows(folder: string, rows: readonly object[]): string {
  mkdirSync(folder, { recursive: true });
  const at = new Date().toISOString();
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}`;
  const common = { at, machine, node: process.version };
  const lines = rows.map((row) => JSON.stringify({ ...common, ...row }));
  const file = join(folder, `${at.slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase()}.jsonl`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
