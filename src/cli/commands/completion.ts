import { Argument, type Command } from 'commander';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation } from '../invocation.ts';
import {
  bashScript,
  type CommandWords,
  fishScript,
  type OptionWords,
  zshScript,
} from './completion-scripts.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

const EXAMPLES = `
Examples:
  source <(tidemark completion bash)                                 in ~/.bashrc
  source <(tidemark completion zsh)                                  in ~/.zshrc
  tidemark completion fish > ~/.config/fish/completions/tidemark.fish`;

export function addCompletion(program: Command, door: Door): void {
  program
    .command('completion')
    .summary('print a completion script for your shell')
    .description('Prints the script that lets your shell complete commands and options.')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText('after', EXAMPLES)
    .action(action(door, (invocation, shell: Shell) => runCompletion(invocation, shell, program)));
}

async function runCompletion(
  { printer, json }: Invocation,
  shell: Shell,
  program: Command,
): Promise<ExitStatus> {
  const words = readWords(program);
  const script = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](words);
  if (json) await printer.document({ shell, script });
  else await printer.write(script);
  return EXIT.done;
}

/** What can be typed, from the commands themselves. */
function readWords(program: Command): CommandWords[] {
  const shared = program.options.map(readOption);
  return program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary(),
    words: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
    options: [...command.options.map(readOption), ...shared],
  }));
}

function readOption(option: Command['options'][number]): OptionWords {
  const { long, description, argChoices, required, flags } = option;
  return {
    flag: long ?? flags,
    description,
    takesValue: required,
    values: argChoices ?? [],
    takesPath: /<(path|repository|folder)>/.test(flags),
  };
}
