/** Where the program meets its process: arguments, environment, streams, signals, exit status. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CodedError, systemClock } from './base/index.ts';
import { EXIT, runCommandLine } from './cli/index.ts';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
const { version } = JSON.parse(manifest) as { readonly version: string };

const stop = new AbortController();
for (const signal of STOP_SIGNALS) {
  process.on(signal, () => {
    // Asked a second time, there is no more waiting for things to be cleaned up.
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort(new CodedError('INTERRUPTED', `Interrupted by ${signal}`));
  });
}

/** Without a listener, Node takes this signal for a wish to debug. */
function onPauseSignal(toggle: () => void): () => void {
  process.on('SIGUSR1', toggle);
  return () => process.off('SIGUSR1', toggle);
}

const status = await runCommandLine(process.argv.slice(2), {
  // Looked at only by those who read it: a terminal is left alone otherwise.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: stop.signal,
  ...(process.platform !== 'win32' && { onPauseSignal }),
  clock: systemClock,
  version,
  self: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
});

// Nothing that a library left open may keep a finished command from ending.
process.exit(status);
