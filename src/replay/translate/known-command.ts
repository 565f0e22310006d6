/**
 * Whether a server knows a command, by the upper-case names of its `COMMAND` reply
 * (`describeFedTarget`). Before 7.0 servers list containers only: there a name with a blank is a
 * subcommand of one.
 */
export function isKnownCommand(name: string, known: ReadonlySet<string>): boolean {
  if (known.has(name)) return true;
  const [container = ''] = name.split(' ');
  return name.includes(' ') && !known.has('CONFIG GET') && known.has(container);
}
