/**
 * The last lines of a server's log, for a message: without keys and values. Those stand in what it
 * quotes of a command it did not understand, and of its backlog.
 */
export function tailOfLog(log: string, lines: number): string {
  return log
    .trimEnd()
    .split('\n')
    .filter((line) => !/backlog is: '/i.test(line))
    .map((line) => line.replace(/,? with args beginning with: .*$/, ''))
    .slice(-lines)
    .join('\n');
}
