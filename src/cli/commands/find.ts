import { type Command, Option } from 'commander';
import { CountedReads, findKey, type KeyFacts, type KeyInBackup } from '../../browse/index.ts';
import { formatText } from '../../entries/index.ts';
import { findSource, listSources, type Repository, type Source } from '../../repository/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation } from '../invocation.ts';
import { parseCount } from '../options/amounts.ts';
import { defined } from '../options/defined.ts';
import { parseInstant } from '../options/instants.ts';
import { openRepo } from '../options/repository-option.ts';
import { parseDatabases, parseText } from '../options/selection-options.ts';
import { FIND_HEAD, findDocument, formatFound, formatFindSummary } from './find-report.ts';

type FindOptions = {
  readonly source?: string;
  readonly db?: readonly number[];
  readonly all?: boolean;
  readonly limit: number;
  readonly since?: string;
  readonly until?: string;
  readonly value?: boolean;
};

const DEFAULT_LIMIT = 30;
/** With --json longer values stay where they are: they would have to be in memory. */
const MAX_SHOWN_BYTES = 1 << 20;

const EXAMPLES = `
Examples:
  tidemark find user:1 --repo ./backups
  tidemark find user:1 --value --since -7d | tail -1 | jq .value
  tidemark find base64:/wAK --db 0 --all --json`;

export function addFind(program: Command, door: Door): void {
  program
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
    .addHelpText('after', EXAMPLES)
    .action(action(door, runFind));
}

type Found = { readonly source: Source; readonly backups: KeyInBackup[] };

async function runFind(
  invocation: Invocation,
  key: Buffer,
  options: FindOptions,
): Promise<ExitStatus> {
  const { printer, terminal, json } = invocation;
  const opened = await openRepo(invocation, 'read');
  const storage = new CountedReads(opened.storage);
  const repository: Repository = { ...opened, storage };
  const { signal } = terminal;
  const sources =
    options.source === undefined
      ? await listSources(repository, signal)
      : [await findSource(repository, options.source, signal)];
  const found: Found[] = [];
  const values: KeyFacts[] = [];
  for (const source of sources) {
    const backups = await findInSource(invocation, repository, source, key, options);
    found.push({ source, backups });
    values.push(...newestOf(backups));
  }
  const isWanted = options.value === true;
  if (json) {
    const lines = isWanted ? await readSmall(values) : undefined;
    const sourceDocuments = found.map(({ source, backups }) => findDocument(source, backups));
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

/** Prints, unless it is for a document, each backup as soon as its answer is known. */
async function findInSource(
  invocation: Invocation,
  repository: Repository,
  source: Source,
  key: Buffer,
  options: FindOptions,
): Promise<KeyInBackup[]> {
  const { printer, terminal, json } = invocation;
  const now = terminal.clock.now();
  const { since, until, db } = options;
  const request = {
    repository,
    source: source.id,
    key,
    signal: terminal.signal,
    ...defined({
      databases: db,
      limit: options.all === true ? undefined : options.limit,
      sinceMs: since === undefined ? undefined : parseInstant(since, now),
      untilMs: until === undefined ? undefined : parseInstant(until, now),
    }),
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
