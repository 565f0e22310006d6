import type { Command } from 'commander';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '../../base/index.ts';
import { findServerBinary, startDemoServer } from '../demo/demo-server.ts';
import { Story, type StoryFacts } from '../demo/story.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation } from '../invocation.ts';
import { formatAmount, formatCount } from '../output/format.ts';

const EXAMPLES = `
Examples:
  tidemark demo
  tidemark demo --server /usr/bin/valkey-server`;

export function addDemo(program: Command, door: Door): void {
  program
    .command('demo')
    .summary('see it work on a server of its own')
    .description(
      'Starts a throw-away server on this machine, fills it, records it while an application\n' +
        'writes to it, has somebody empty it, and brings everything back while the application\n' +
        'goes on; then the server itself is asked, key by key. Takes less than a minute and\n' +
        'leaves nothing behind.',
    )
    .option('--server <path>', 'redis-server or valkey-server to use (default: found on PATH)')
    .addHelpText('after', EXAMPLES)
    .action(action(door, runDemo));
}

async function runDemo(
  invocation: Invocation,
  options: { readonly server?: string },
): Promise<ExitStatus> {
  const { terminal, printer, json } = invocation;
  const begunAt = terminal.clock.monotonic();
  const binary = findServerBinary(terminal.env, options.server);
  let printed = Promise.resolve();
  const say = (text: string): void => {
    if (json) terminal.stderr.write(`${text}\n`);
    else printed = printed.then(() => printer.line(text));
    // Awaited at the end of the story; a reader who went away must not be an unhandled rejection.
    printed.catch(() => {});
  };
  const facts = await tellStory(invocation, binary, say);
  const seconds = (terminal.clock.monotonic() - begunAt) / 1000;
  const isGood = facts.missing === 0 && facts.harmed === 0;
  say(`\nTook ${seconds.toFixed(1)} seconds; the server and its files are gone again.`);
  say(formatVerdict(facts));
  await printed;
  if (json) await printer.document({ ...facts, seconds: Number(seconds.toFixed(1)) });
  return isGood ? EXIT.done : EXIT.failed;
}

function formatVerdict({ keys, missing, harmed, rpoSeconds, recoverySeconds }: StoryFacts): string {
  const lost = missing + harmed;
  const verdict =
    lost === 0 ? 'all as they should be' : `${formatCount(lost)} not as they should be`;
  return (
    `${formatAmount(keys, 'key')}: ${verdict}\n` +
    `RPO ${rpoSeconds.toFixed(1)} s\n` +
    `${recoverySeconds.toFixed(1)} seconds from FLUSHALL to recovery`
  );
}

async function tellStory(
  { terminal }: Invocation,
  binary: ReturnType<typeof findServerBinary>,
  say: (text: string) => void,
): Promise<StoryFacts> {
  const folder = makeFolder();
  try {
    const server = await startDemoServer(binary, folder, terminal.signal);
    try {
      return await new Story(terminal, server, join(folder, 'backups'), say).tell();
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'tidemark-demo-'));
  } catch (cause) {
    const message = `Cannot make a folder for the demo: ${(cause as Error).message}`;
    throw new CodedError('STORAGE_FAILED', message, { hint: 'Check TMPDIR', cause });
  }
}
