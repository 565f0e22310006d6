import type { Command } from 'commander';
import { readEntries } from '../../restore/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation } from '../invocation.ts';
import { addInstantOptions, addSandboxOptions } from '../options/instant-option.ts';
import {
  addSelectionOptions,
  type SelectionOptions,
  selectionOf,
} from '../options/selection-options.ts';
import { chooseState, type StateOptions } from '../options/state-option.ts';

type CatOptions = SelectionOptions & StateOptions;

const EXAMPLES = `
Examples:
  tidemark cat latest --key user:1 --repo ./backups
  tidemark cat latest --match 'cart:*' --type hash | jq -r .key
  tidemark cat --before last:FLUSHALL --key user:1
  tidemark cat 20261122t1230 --db 0 > entries.jsonl`;

export function addCat(program: Command, door: Door): void {
  const command = program
    .command('cat')
    .summary('print entries as JSON Lines')
    .description(
      'Prints the entries of a backup, or of an instant of the log, as JSON Lines: one key per line\n' +
        '(several lines for a big key), as docs/formats/entries.md has them.',
    )
    .argument('[backup]', 'id, unique beginning of one, or latest')
    .option('--source <name>', 'of which source, where the repository has several')
    .option('--allow-inexact', 'print also what the log cannot be replayed to exactly');
  addInstantOptions(command);
  addSelectionOptions(command);
  addSandboxOptions(command).addHelpText('after', EXAMPLES).action(action(door, runCat));
}

async function runCat(
  invocation: Invocation,
  backup: string | undefined,
  options: CatOptions,
): Promise<ExitStatus> {
  const { signal } = invocation.terminal;
  const selection = selectionOf(options);
  await using state = await chooseState(invocation, backup, options, selection);
  const { repository, manifest } = state;
  for await (const chunk of readEntries({ repository, manifest, selection, signal })) {
    await invocation.printer.write(chunk);
  }
  return state.inexact.length > 0 ? EXIT.inexact : EXIT.done;
}
