import type { Command } from 'commander';
import { readEntries } from '../../restore/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation } from '../invocation.ts';
import { chooseBackup } from '../options/repository-option.ts';
import {
  addSelectionOptions,
  type SelectionOptions,
  selectionOf,
} from '../options/selection-options.ts';

type CatOptions = SelectionOptions & { readonly source?: string };

const EXAMPLES = `
Examples:
  tidemark cat latest --key user:1 --repo ./backups
  tidemark cat latest --match 'cart:*' --type hash | jq -r .key
  tidemark cat 20261122t1230 --db 0 > entries.jsonl`;

export function addCat(program: Command, door: Door): void {
  const command = program
    .command('cat')
    .summary('print entries as JSON Lines')
    .description(
      'Prints the entries of a backup as JSON Lines, one key per line (several lines for a big\n' +
        'key), as docs/formats/entries.md has them.',
    )
    .argument('<backup>', 'id, unique beginning of one, or latest')
    .option('--source <name>', 'of which source, where the repository has several');
  addSelectionOptions(command).addHelpText('after', EXAMPLES).action(action(door, runCat));
}

async function runCat(
  invocation: Invocation,
  backup: string,
  options: CatOptions,
): Promise<ExitStatus> {
  const { signal } = invocation.terminal;
  const { repository, manifest } = await chooseBackup(invocation, backup, options.source);
  const selection = selectionOf(options);
  for await (const chunk of readEntries({ repository, manifest, selection, signal })) {
    await invocation.printer.write(chunk);
  }
  return EXIT.done;
}
