import { type Command, Option } from 'commander';
import { CountedReads, findKey, type KeyFacts, type KeyInBackup } from '../../browse/index.ts';
import { CodedError } from '../../base/index.ts';
import { formatText } from '../../entries/index.ts';
import type { Repository, Source } from '../../repository/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation } from '../invocation.ts';
import { parseCount } from '../options/amounts.ts';
import { defined } from '../options/defined.ts';
import { addInstantOptions, addSandboxOptions, instantOf } from '../options/instant-option.ts';
import { pointDocument } from '../options/instant-text.ts';
import { readTime } from '../options/time-option.ts';
import { chooseSources, openRepo } from '../options/repository-option.ts';
import { parseDatabases, parseText } from '../options/selection-options.ts';
import type { StateOptions } from '../options/state-option.ts';
import { findHistory, type KeyHistory } from './find-history.ts';
import { findAtInstant } from './find-instant.ts';
import { FIND_HEAD, findDocument, formatFound, formatFindSummary } from './find-report.ts';

type FindOptions = StateOptions & {
  readonly db?: readonly number[];
  readonly all?: boolean;
  readonly limit: number;
  readonly since?: string;
  readonly until?: string;
  readonly value?: boolean;
  readonly history?: boolean;
};

const DEFAULT_LIMIT = 30;
/** With --json longer values stay where they are: they would have to be in memory. */
const MAX_SHOWN_BYTES = 1 << 20;

const EXAMPLES = `
Examples:
  tidemark find user:1 --repo ./backups
  tidemark find user:1 --value --since -7d | tail -1 | jq .value
  tidemark find cart:7 --history --since -1h
  tidemark find cart:7 --before last:FLUSHALL --value
  tidemark find base64:/wAK --db 0 --all --json`;

export function addFind(program: Command, door: Door): void {
  const command = program
    .command('find')
    .summary('follow one key through all backups')
    .description(
      'Looks one key up in every backup, newest first: whether it is there, its type, size, expiry\n' +
        'and value digest, and whether it changed since the backup before. Reads only what it must.',
    )
    .argument('<key>', 'the key (base64:… for bytes)', parseText)
    .option('--source <name>', 'only this source')
    .option('--db <numbers>', 'only these databases, as in 0,3', parseDatabases)
    .addOption(
      new Option('--limit <n>', 'how many of the newest backups to look at')
        .argParser(parseCount('a number of backups'))
        .default(DEFAULT_LIMIT),
    )
    .addOption(new Option('--all', 'look at all of them').conflicts('limit'))
    .option('--since <instant>', 'only backups of this instant or later, as in -7d')
    .option('--until <instant>', 'only backups of this instant or earlier')
    .option('--value', 'print the newest value too, as JSON Lines')
    .option('--history', 'print the recorded commands that touch the key too')
    .option('--allow-inexact', 'answer also where the log cannot be replayed exactly');
  addInstantOptions(command);
  addSandboxOptions(command).addHelpText('after', EXAMPLES).action(action(door, runFind));
}

type Found = {
  readonly source: Source;
  readonly backups: KeyInBackup[];
  readonly history: KeyHistory | undefined;
};

async function runFind(
  invocation: Invocation,
  key: Buffer,
  options: FindOptions,
): Promise<ExitStatus> {
  if (instantOf(options, undefined) !== undefined) {
    return await runFindAtInstant(invocation, key, options);
  }
  const { printer, terminal, json } = invocation;
  const opened = await openRepo(invocation, 'read');
  const storage = new CountedReads(opened.storage);
  const repository: Repository = { ...opened, storage };
  const { signal } = terminal;
  const sources = await chooseSources(repository, options.source, signal);
  const found: Found[] = [];
  const values: KeyFacts[] = [];
  for (const source of sources) {
    const backups = await findInSource(invocation, repository, source, key, options);
    const history =
      options.history === true
        ? await findHistory(invocation, {
            repository,
            source,
            key,
            ...windowOf(invocation, options),
          })
        : undefined;
    found.push({ source, backups, history });
    values.push(...newestOf(backups));
  }
  const isWanted = options.value === true;
  if (json) {
    const lines = isWanted ? await readSmall(values) : undefined;
    const sourceDocuments = found.map(({ source, backups, history }) => ({
      ...findDocument(source, backups),
      ...(history && { history: history.events, historyCut: history.isCut }),
    }));
    const document = { key: formatText(key), sources: sourceDocuments, read: storage.cost };
    await printer.document(lines === undefined ? document : { ...document, lines });
  } else {
    await printer.write(
      formatFindSummary(
        found.flatMap(({ backups }) => backups),
        storage.cost,
      ),
    );
    if (isWanted) for (const facts of values) await printLines(invocation, facts);
  }
  const isDamaged = found.some(({ backups }) => backups.some(({ error }) => error !== null));
  return isDamaged ? EXIT.failed : EXIT.done;
}

/** What would be looked up in every backup is looked up at one instant. */
async function runFindAtInstant(
  invocation: Invocation,
  key: Buffer,
  options: FindOptions,
): Promise<ExitStatus> {
  const { history, since, until, all, value } = options;
  if ([history, since, until, all].some((given) => given !== undefined)) {
    const message = 'Cannot use --history, --since, --until or --all with an instant';
    throw new CodedError('USAGE', message, { hint: 'An instant is one state of the keys' });
  }
  const { printer, json } = invocation;
  await using at = await findAtInstant(invocation, key, options.db, options);
  const { source, found, state } = at;
  const values = newestOf([found]);
  if (json) {
    const lines = value === true ? { lines: await readSmall(values) } : {};
    const instant = state.instant && pointDocument(state.instant.resolved, state.instant.plan);
    const sources = [findDocument(source, [found])];
    await printer.document({ key: formatText(key), instant, sources, ...lines });
  } else {
    await printer.write(`${source.name} (${source.id})\n${FIND_HEAD}${formatFound(found)}`);
    if (value === true) for (const facts of values) await printLines(invocation, facts);
  }
  if (found.error !== null) return EXIT.failed;
  return state.inexact.length > 0 ? EXIT.inexact : EXIT.done;
}

/** Prints, unless it is for a document, each backup as soon as its answer is known. */
async function findInSource(
  invocation: Invocation,
  repository: Repository,
  source: Source,
  key: Buffer,
  options: FindOptions,
): Promise<KeyInBackup[]> {
  const { printer, terminal, json } = invocation;
  const request = {
    repository,
    source: source.id,
    key,
    signal: terminal.signal,
    ...windowOf(invocation, options),
    ...defined({ limit: options.all === true ? undefined : options.limit }),
  };
  if (!json) await printer.write(`${source.name} (${source.id})\n${FIND_HEAD}`);
  const backups: KeyInBackup[] = [];
  for await (const backup of findKey(request)) {
    backups.push(backup);
    if (!json) await printer.write(formatFound(backup));
  }
  if (!json && backups.length === 0) await printer.line('  no backups');
  return backups;
}

function windowOf({ terminal }: Invocation, { since, until, db }: FindOptions) {
  const now = terminal.clock.now();
  return defined({
    databases: db,
    sinceMs: since === undefined ? undefined : readTime(since, now),
    untilMs: until === undefined ? undefined : readTime(until, now),
  });
}

/** The key as the newest backup has it that has it at all, in each database. */
function newestOf(backups: readonly KeyInBackup[]): KeyFacts[] {
  const newest = backups.find(({ versions }) => versions.some(({ facts }) => facts !== null));
  return (newest?.versions ?? []).flatMap(({ facts }) => (facts === null ? [] : [facts]));
}

async function printLines({ printer }: Invocation, facts: KeyFacts): Promise<void> {
  for await (const line of facts.readLines()) await printer.write(line);
}

/** Null where a value is too long for a document. */
async function readSmall(values: readonly KeyFacts[]): Promise<(string | null)[]> {
  const lines: (string | null)[] = [];
  for (const facts of values) {
    if (facts.bytes > MAX_SHOWN_BYTES) {
      lines.push(null);
      continue;
    }
    for await (const line of facts.readLines()) lines.push(line.toString('utf8').trimEnd());
  }
  return lines;
}
