import {
  type DataFileRecord,
  readInstanceRecord,
  type Repository,
} from '../../repository/index.ts';

/** What `show` tells about an instance record: names and numbers, no values. */
export type InstanceSummary = {
  readonly shard: string;
  /** Names of the function libraries. */
  readonly functions: readonly string[];
  /** How many script bodies. */
  readonly scripts: number;
  readonly modules: readonly string[];
  /** How many parameters of CONFIG GET. */
  readonly settings: number;
  /** Commands that the server refused. */
  readonly forbidden: readonly string[];
  /** Kinds of lines that are not among the above, INFO left out. */
  readonly other: readonly string[];
};

type Line = {
  readonly type?: unknown;
  readonly value?: unknown;
  readonly command?: unknown;
};

/** Reads one instance record; its lines are those of docs/formats/entries.md. */
export async function summarizeInstance(
  repository: Repository,
  file: DataFileRecord,
  signal: AbortSignal,
): Promise<InstanceSummary> {
  const functions: string[] = [];
  const modules: string[] = [];
  const forbidden: string[] = [];
  const other = new Set<string>();
  let scripts = 0;
  let settings = 0;
  for await (const line of readInstanceRecord(repository, file, signal)) {
    const { type, value, command } = (line ?? {}) as Line;
    if (type === 'function') functions.push(libraryName(value));
    else if (type === 'script') scripts++;
    else if (type === 'modules') modules.push(...moduleNames(value));
    else if (type === 'config') settings = Object.keys(value ?? {}).length;
    else if (type === 'forbidden') forbidden.push(String(command));
    else if (type !== 'info') other.add(String(type));
  }
  return {
    shard: file.shard,
    functions,
    scripts,
    modules,
    settings,
    forbidden,
    other: [...other],
  };
}

/** `#!lua name=shop` on the first line of a library. */
function libraryName(code: unknown): string {
  const first = typeof code === 'string' ? code.split('\n', 1)[0] : '';
  return /\bname=(\S+)/.exec(first)?.[1] ?? 'unnamed';
}

function moduleNames(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.map(({ name }: { name?: unknown }) => (typeof name === 'string' ? name : 'unnamed'));
}
