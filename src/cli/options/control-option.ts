import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { Command } from 'commander';
import { CodedError, RunControl, type RunSettings } from '../../base/index.ts';
import type { Invocation } from '../invocation.ts';
import { formatBytes, formatCount } from '../output/format.ts';
import type { ProgressMeter } from '../output/progress-meter.ts';
import { parseControl } from './control-file.ts';

export type ControlOptions = { readonly control?: string };

/** How often the file is read: it is small, and no notice of the system's is this reliable. */
const READ_MS = 300;
const MAX_FILE_BYTES = 4096;

export function addControlOption(command: Command): Command {
  return command.option(
    '--control <file>',
    'take rate, keys and pause from this file whenever it changes (docs/control.md)',
  );
}

/**
 * The control of one running command: what the command line said (`initial`), then what the control
 * file says whenever it changes, and a pause for every other SIGUSR1. What cannot be read or
 * understood is told and changes nothing.
 */
export class ControlFollower implements Disposable {
  readonly run: RunControl;
  readonly #initial: RunSettings;
  readonly #meter: ProgressMeter;
  readonly #forgetSignal: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** What the file held, or why it could not be read, when last looked at. */
  #seen = '';

  constructor(
    invocation: Invocation,
    meter: ProgressMeter,
    options: ControlOptions,
    initial: Partial<RunSettings> = {},
  ) {
    this.run = new RunControl(initial);
    this.#initial = this.run.settings;
    this.#meter = meter;
    meter.prefix = () => (this.run.settings.paused ? 'paused · ' : '');
    const toggle = (): void => this.#change({ paused: !this.run.settings.paused });
    this.#forgetSignal = invocation.terminal.onPauseSignal?.(toggle) ?? (() => {});
    const path = options.control;
    if (path === undefined) return;
    this.#read(path);
    this.#timer = setInterval(() => this.#read(path), READ_MS).unref();
  }

  [Symbol.dispose](): void {
    this.#forgetSignal();
    clearInterval(this.#timer);
  }

  #read(path: string): void {
    try {
      const text = readSmallFile(path);
      if (this.#isSeen(text)) return;
      this.#change({ ...this.#initial, ...parseControl(text) });
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof CodedError || !this.#isSeen(message)) {
        this.#meter.note(`warning: ${path}: ${message}; nothing was changed`);
      }
    }
  }

  #isSeen(text: string): boolean {
    const isSeen = text === this.#seen;
    this.#seen = text;
    return isSeen;
  }

  #change(change: Partial<RunSettings>): void {
    const before = describeSettings(this.run.settings);
    const after = describeSettings({ ...this.run.settings, ...change });
    if (after === before) return;
    this.#meter.note(`note: control: ${after}`);
    this.run.change(change);
  }
}

/** A file that is not there says nothing. */
function readSmallFile(path: string): string {
  let file: number;
  try {
    // A pipe that nobody writes to would make us wait.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
  try {
    if (!fstatSync(file).isFile()) throw new Error('it is not a file');
    const bytes = Buffer.alloc(MAX_FILE_BYTES + 1);
    const size = readSync(file, bytes, 0, bytes.length, 0);
    if (size > MAX_FILE_BYTES) throw new Error('it is too large');
    return bytes.toString('utf8', 0, size);
  } finally {
    closeSync(file);
  }
}

function describeSettings({ bytesPerSecond, keysPerSecond, paused }: RunSettings): string {
  const parts = [
    bytesPerSecond === null ? 'no limit of bytes' : `${formatBytes(bytesPerSecond)}/s`,
    ...(keysPerSecond === null ? [] : [`${formatCount(keysPerSecond)} keys/s`]),
    ...(paused ? ['paused'] : []),
  ];
  return parts.join(', ');
}
