/** One command as the completion of a shell needs it. */
export type CommandWords = {
  readonly name: string;
  readonly summary: string;
  /** Fixed words that its arguments may be. */
  readonly words: readonly string[];
  readonly options: readonly OptionWords[];
};

export type OptionWords = {
  readonly flag: string;
  readonly description: string;
  readonly takesValue: boolean;
  /** What the value may be, where that is a fixed list. */
  readonly values: readonly string[];
  readonly takesPath: boolean;
};

/** Plain words by position: works in every bash from 3.2 on, without bash-completion. */
export function bashScript(commands: readonly CommandWords[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const values = commands.flatMap(({ name, options }) =>
    options
      .filter(({ values }) => values.length > 0)
      .map(({ flag, values }) => `    '${name} ${flag}') words='${values.join(' ')}' ;;`),
  );
  const silent = unique(commands.flatMap(({ options }) => options).filter(isFree));
  const paths = unique(commands.flatMap(({ options }) => options).filter(isPath));
  const words = commands.map(({ name, words, options }) => {
    const flags = options.map(({ flag }) => flag);
    return `    ${name}) words='${[...words, ...flags].join(' ')}' ;;`;
  });
  return `# bash completion for tidemark
_tidemark() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local command='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " ${names} help " in *" $word "*) command="$word"; break ;; esac
  done
  COMPREPLY=()
  case "$previous" in
    ${paths.join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${silent.join('|')}) return ;;
  esac
  case "$command $previous" in
${values.join('\n')}
  esac
  if [ -z "$words" ]; then case "$command" in
    ''|help) words='${names} help --help --version' ;;
${words.join('\n')}
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ "$command" = import ] && [ "\${current#-}" = "$current" ]; then
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _tidemark tidemark
`;
}

export function zshScript(commands: readonly CommandWords[]): string {
  const list = commands.map(({ name, summary }) => `    ${zshQuote(`${name}:${summary}`)}`);
  const cases = commands.map(({ name, words, options }) => {
    const specs = options.map((option) => `        ${zshQuote(zshSpec(option))}`);
    const rest = words.length > 0 ? `'*:word:(${words.join(' ')})'` : `'*:file:_files'`;
    return `      ${name})\n      _arguments \\\n${specs.join(' \\\n')} \\\n        ${rest} ;;`;
  });
  return `#compdef tidemark
_tidemark() {
  local -a commands=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = "_tidemark" ]; then _tidemark "$@"; else compdef _tidemark tidemark; fi
`;
}

export function fishScript(commands: readonly CommandWords[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const lines = ['# fish completion for tidemark', 'complete -c tidemark -f'];
  for (const { name, summary, words, options } of commands) {
    const first = `not __fish_seen_subcommand_from ${names}`;
    const within = `__fish_seen_subcommand_from ${name}`;
    lines.push(`complete -c tidemark -n '${first}' -a ${name} -d ${fishQuote(summary)}`);
    if (words.length > 0) {
      lines.push(`complete -c tidemark -n '${within}' -a ${fishQuote(words.join(' '))}`);
    }
    if (name === 'import') lines.push(`complete -c tidemark -n '${within}' -F`);
    for (const { flag, description, takesValue, values, takesPath } of options) {
      const value = !takesValue
        ? ''
        : values.length > 0
          ? ` -x -a ${fishQuote(values.join(' '))}`
          : takesPath
            ? ' -r -F'
            : ' -x';
      const long = flag.replace(/^--/, '');
      lines.push(
        `complete -c tidemark -n '${within}' -l ${long}${value} -d ${fishQuote(description)}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

function isPath(option: OptionWords): boolean {
  return option.takesPath;
}

/** A value that nobody can guess. */
function isFree(option: OptionWords): boolean {
  return option.takesValue && !option.takesPath && option.values.length === 0;
}

function unique(options: readonly OptionWords[]): string[] {
  return [...new Set(options.map(({ flag }) => flag))];
}

function zshSpec({ flag, description, takesValue, values, takesPath }: OptionWords): string {
  const text = description.replace(/[[\]\\:]/g, '\\$&');
  const action = values.length > 0 ? `(${values.join(' ')})` : takesPath ? '_files' : ' ';
  return `${takesValue ? '*' : ''}${flag}[${text}]${takesValue ? `:value:${action}` : ''}`;
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
