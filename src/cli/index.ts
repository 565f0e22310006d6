/**
 * The command line (docs/commands.md): reads arguments, opens what they name, calls one operation,
 * shows progress on standard error and the result on standard output, as text or, with `--json`, as
 * one document. Exit statuses are decided in exit-codes.ts, complete by type.
 *
 * It decides nothing about backups and restores itself, and touches the process only through the
 * `Terminal` it is given, so that tests can be one. No output holds a password.
 */
export { EXIT, EXIT_OF_ERROR, type ExitStatus } from './exit-codes.ts';
export { runCommandLine } from './run.ts';
export type { Environment, OutputStream, Terminal } from './terminal.ts';
