import { type Command, Option } from 'commander';
import { displayAddress } from '../../redis/index.ts';
import {
  Feed,
  findSandboxServer,
  Sandbox,
  type SandboxFill,
  type SandboxServer,
} from '../../replay/index.ts';
import type { SandboxSettings } from '../../rewind/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseCount } from '../options/amounts.ts';
import { defined } from '../options/defined.ts';
import {
  addInstantOptions,
  addSandboxOptions,
  choosePlace,
  type InstantOptions,
  type SandboxOptions,
  sandboxOf,
} from '../options/instant-option.ts';
import { formatBytes } from '../output/format.ts';
import {
  describeFedPlace,
  type FedPlace,
  fedPlaceDocument,
  fedPlaceOf,
  type FedTtl,
} from './fed-place.ts';

type BrowseOptions = InstantOptions &
  SandboxOptions & {
    readonly source?: string;
    readonly ttl: FedTtl;
    readonly port?: number;
    readonly allowInexact?: boolean;
  };

const EXAMPLES = `
Examples:
  tidemark sandbox --at 14:02
  tidemark sandbox --before last:FLUSHALL --port 6400
  tidemark sandbox latest --sandbox-server /usr/bin/valkey-server --json`;

export function addSandbox(program: Command, door: Door): void {
  const command = program
    .command('sandbox')
    .summary('keep a throw-away server with an old state, to look around in')
    .description(
      'Starts a server of this machine with what a backup or an instant held, and keeps it until\n' +
        'Ctrl-C. It shows what could be read at that instant, however long ago that was: every\n' +
        'expiry lies as far ahead as it lay then. It may be written to; nothing of it is kept.',
    )
    .argument('[backup]', 'id, unique beginning of one, or latest (the default)')
    .option('--source <name>', 'of which source, where the repository has several')
    .addOption(
      new Option(
        '--ttl <policy>',
        'keys expire as long after now as after then, when they did, or never',
      )
        .choices(['remaining', 'absolute', 'persist'])
        .default('remaining'),
    )
    .option(
      '--port <n>',
      'listen on this port of the loopback address too (default: a unix socket)',
      parseCount('a port', 65535),
    )
    .option('--allow-inexact', 'go on where the log cannot be replayed exactly (exit status 4)');
  addInstantOptions(command);
  addSandboxOptions(command).addHelpText('after', EXAMPLES).action(action(door, runSandbox));
}

async function runSandbox(
  invocation: Invocation,
  backup: string | undefined,
  options: BrowseOptions,
): Promise<ExitStatus> {
  const { clock, signal, stderr } = invocation.terminal;
  const settings = sandboxOf(invocation, options);
  const isInstant = options.at !== undefined || options.before !== undefined;
  const place = await choosePlace(
    invocation,
    backup ?? (isInstant ? undefined : 'latest'),
    options,
  );
  const fed = fedPlaceOf(place, options.ttl, clock.now());
  const { sandbox, why } = await openSandbox(fed, settings, options, signal);
  try {
    if (!invocation.quiet) stderr.write(`note: ${why}\n`);
    const filled = await fill(invocation, sandbox, fed, options);
    await sandbox.promote();
    const inexact = describeInexact(filled);
    if (invocation.json) {
      const { family, version } = sandbox.target;
      await invocation.printer.document({
        ...fedPlaceDocument(place),
        server: { family, version },
        address: displayAddress(sandbox.address),
        port: options.port ?? null,
        ttl: options.ttl,
        inexact,
      });
    } else {
      for (const text of inexact) stderr.write(`warning: ${text}\n`);
      const what = describeFedPlace(place);
      await invocation.printer.write(
        `A sandbox with ${what} is up until Ctrl-C:\n  ${commandLine(sandbox, options.port)}\n`,
      );
    }
    await untilStopped(sandbox, signal);
    return inexact.length > 0 ? EXIT.inexact : EXIT.done;
  } finally {
    await sandbox.close();
  }
}

async function openSandbox(
  fed: FedPlace,
  settings: SandboxSettings,
  { port }: BrowseOptions,
  signal: AbortSignal,
): Promise<{ readonly sandbox: Sandbox; readonly why: string }> {
  const { databases, expectedBytes, recordedFrom } = fed;
  const common = { databases, signal };
  if (settings.url !== undefined) {
    const why = `the sandbox is the server at ${displayAddress(settings.url)}`;
    return { sandbox: await Sandbox.attach(settings.url, common), why };
  }
  const server: SandboxServer = findSandboxServer(recordedFrom, {
    ...defined({ given: settings.server }),
    path: settings.path,
  });
  const sandbox = await Sandbox.start(server, {
    ...common,
    ...(settings.checksMemory !== false && { expectedBytes }),
    ...defined({ port, parentFolder: settings.parentFolder }),
  });
  return { sandbox, why: `the sandbox is ${server.family} ${server.version} (${server.why})` };
}

async function fill(
  invocation: Invocation,
  sandbox: Sandbox,
  fed: FedPlace,
  { allowInexact = false }: BrowseOptions,
): Promise<SandboxFill> {
  const { signal } = invocation.terminal;
  const meter = startMeter(invocation);
  const onNotice = (text: string): void => meter.note(`note: ${text}`);
  const { shiftMs, ttl, recordedFrom } = fed;
  const feed = await Feed.listen({
    source: () => fed.source({ allowInexact, onNotice }),
    server: sandbox.target,
    recordedFrom,
    shiftMs,
    ttl,
    allowInexact,
  });
  try {
    meter.show(() => {
      const [at] = feed.progress;
      if (at === undefined) return 'Starting a sandbox';
      const base = `${formatBytes(at.baseBytes)} of the base`;
      if (at.streamBytes === 0) return `Filling the sandbox: ${base}`;
      const log = `${formatBytes(at.streamBytes)} of ${formatBytes(at.streamTotal)} of the log`;
      return `Filling the sandbox: ${base}, ${log}`;
    });
    return await sandbox.fill(feed, signal);
  } finally {
    meter.end();
    await feed.close();
  }
}

/** One sentence each. */
function describeInexact({ replica, failed }: SandboxFill): string[] {
  const skipped = Object.entries(replica.translation.inexact);
  return [
    ...skipped.map(([name, { count, why }]) => `${count} × ${name}: ${why}`),
    ...failed.map(({ command, count, error }) => {
      return `${count} × ${command ?? 'commands'} refused${error === null ? '' : `: ${error}`}`;
    }),
  ];
}

function commandLine(sandbox: Sandbox, port: number | undefined): string {
  const { address, target } = sandbox;
  const client = target.family === 'valkey' ? 'valkey-cli' : 'redis-cli';
  if (port !== undefined) return `${client} -p ${port}`;
  if (address.path !== null) return `${client} -s ${address.path}`;
  return `${client} -h ${address.host} -p ${address.port}`;
}

/** Ctrl-C is how it ends; that the server ends by itself is an error. */
async function untilStopped(sandbox: Sandbox, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const stop = (): void => resolve(undefined);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  // An open promise keeps no process alive.
  const alive = setInterval(() => {}, 60_000);
  const ended = await Promise.race(sandbox.ended === null ? [promise] : [promise, sandbox.ended]);
  clearInterval(alive);
  signal.removeEventListener('abort', stop);
  if (ended !== undefined) throw ended;
}
