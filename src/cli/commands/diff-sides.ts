import { backUp } from '../../backup/index.ts';
import type { DiffSide } from '../../browse/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import { displayAddress } from '../../redis/index.ts';
import {
  findBackup,
  findSource,
  openRepository,
  readManifest,
  type Repository,
  type Source,
} from '../../repository/index.ts';
import { DirectoryStorage } from '../../storage/index.ts';
import { isCoded } from '../../base/index.ts';
import { parseInstant, type WantedInstant } from '../../rewind/index.ts';
import type { Invocation } from '../invocation.ts';
import {
  type ConnectionOptions,
  type Connection,
  readConnection,
} from '../options/connection-options.ts';
import { defined } from '../options/defined.ts';
import { chooseInstant, type SandboxOptions } from '../options/instant-option.ts';
import { openRepo } from '../options/repository-option.ts';
import { type SelectionOptions, selectionOf } from '../options/selection-options.ts';
import { openState } from '../options/state-option.ts';
import type { ProgressMeter } from '../output/progress-meter.ts';
import { showBackupProgress } from './backup-report.ts';

export type DiffSideOptions = ConnectionOptions &
  SandboxOptions &
  SelectionOptions & {
    readonly source?: string;
    readonly workers?: number;
    readonly allowInexact?: boolean;
  };

/** How a side is called in reports. */
export type SideName = {
  /** Its id, or `log:<lineage>@<offset>` for an instant; null: a running server. */
  readonly backup: string | null;
  readonly source: string | null;
  readonly address: string | null;
  readonly snapshotAt: string;
};

export type ChosenSides = {
  readonly sides: readonly [DiffSide, DiffSide];
  readonly names: readonly [SideName, SideName];
  readonly selection: EntrySelection;
  readonly notices: readonly string[];
};

/** Where the throw-away backups of running servers go. */
type Scratch = { pathOf(name: string): string };

/** No id of a backup looks like an address of any scheme. */
const SERVER = /^[a-z][a-z0-9+]*:\/\//i;

/**
 * Opens both sides of a comparison. A running server is backed up into a repository in the scratch
 * folder: what `diff` compares are always backups.
 */
export async function chooseSides(
  invocation: Invocation,
  meter: ProgressMeter,
  scratch: Scratch,
  wanted: readonly [string, string],
  options: DiffSideOptions,
): Promise<ChosenSides> {
  const { terminal } = invocation;
  const connections = await Promise.all(
    wanted.map(async (name) =>
      SERVER.test(name)
        ? await readConnection(terminal, name, options, 'TIDEMARK_PASSWORD')
        : undefined,
    ),
  );
  const selection = narrow(selectionOf(options), connections);
  const chooser = new SideChooser(invocation, meter, scratch, selection, options);
  // Backups first: a mistyped name should not cost a backup of the other side.
  const stored: (Chosen | undefined)[] = [];
  for (const [i, name] of wanted.entries()) {
    if (connections[i] === undefined) stored.push(await chooser.named(name, 'ab'[i]));
    else stored.push(undefined);
  }
  const a = stored[0] ?? (await chooser.live(connections[0] as Connection, 'a'));
  const b = stored[1] ?? (await chooser.live(connections[1] as Connection, 'b'));
  return {
    sides: [a.side, b.side],
    names: [a.name, b.name],
    selection,
    notices: chooser.notices,
  };
}

type Chosen = { readonly side: DiffSide; readonly name: SideName };

class SideChooser {
  readonly notices: string[] = [];
  readonly #invocation: Invocation;
  readonly #meter: ProgressMeter;
  readonly #scratch: Scratch;
  readonly #selection: EntrySelection;
  readonly #options: DiffSideOptions;
  #opened: { readonly repository: Repository; readonly source: Source } | undefined;

  constructor(
    invocation: Invocation,
    meter: ProgressMeter,
    scratch: Scratch,
    selection: EntrySelection,
    options: DiffSideOptions,
  ) {
    this.#invocation = invocation;
    this.#meter = meter;
    this.#scratch = scratch;
    this.#selection = selection;
    this.#options = options;
  }

  /** A backup of this name; where there is none, the instant that the name means. */
  async named(wanted: string, folder: string): Promise<Chosen> {
    const instant = instantIn(wanted);
    if (instant?.isSure === true) return await this.#instant(instant, folder);
    try {
      return await this.#stored(wanted);
    } catch (error) {
      if (instant === undefined || !isCoded(error, 'BACKUP_NOT_FOUND')) throw error;
      return await this.#instant(instant, folder);
    }
  }

  async #instant(wanted: WantedInstant, folder: string): Promise<Chosen> {
    const chosen = await chooseInstant(this.#invocation, wanted, this.#options.source);
    const place = { kind: 'instant', ...chosen } as const;
    // What it holds is gone with the scratch folder.
    const request = {
      selection: this.#selection,
      into: { folder: this.#scratch.pathOf(folder) },
    };
    const state = await openState(this.#invocation, place, this.#options, request);
    const { repository, manifest } = state;
    this.notices.push(...state.inexact);
    const { snapshotAt } = manifest;
    const name = { backup: state.name, source: chosen.source.name, address: null, snapshotAt };
    return { side: { repository, manifest, isComplete: true }, name };
  }

  async #stored(wanted: string): Promise<Chosen> {
    const { signal } = this.#invocation.terminal;
    this.#opened ??= await this.#open();
    const { repository, source } = this.#opened;
    const { id } = await findBackup(repository, source.id, wanted, signal);
    const manifest = await readManifest(repository, source.id, id, signal);
    const { snapshotAt } = manifest;
    const name = { backup: id, source: source.name, address: null, snapshotAt };
    return { side: { repository, manifest }, name };
  }

  async #open() {
    const { signal } = this.#invocation.terminal;
    const repository = await openRepo(this.#invocation, 'read');
    return { repository, source: await findSource(repository, this.#options.source, signal) };
  }

  async live(connection: Connection, folder: string): Promise<Chosen> {
    const { clock, version, signal } = this.#invocation.terminal;
    const storage = new DirectoryStorage(this.#scratch.pathOf(folder));
    const options = { mode: 'write', clock, writerVersion: version } as const;
    const repository = await openRepository(storage, options, signal);
    const { manifest } = await backUp({
      repository,
      ...connection,
      selection: this.#selection,
      ...defined({ workers: this.#options.workers }),
      onProgress: showBackupProgress(this.#meter, clock),
      onNotice: (text) => this.notices.push(text),
      signal,
    });
    this.#meter.end();
    const { snapshotAt } = manifest;
    const address = displayAddress({ ...connection.address, user: null });
    const name = { backup: null, source: null, address, snapshotAt };
    // It holds all that is asked for, whatever its selection says.
    return { side: { repository, manifest, isComplete: true }, name };
  }
}

/** `at:…` and `before:…` are nothing else; what only reads like an instant may be a backup's id. */
function instantIn(text: string): (WantedInstant & { readonly isSure: boolean }) | undefined {
  const [, word, rest = ''] = /^(?:(at|before):)?(.*)$/s.exec(text) ?? [];
  if (word === 'before') return { kind: 'before', text: rest, isSure: true };
  if (word === 'at') return { kind: 'at', text: rest, isSure: true };
  try {
    parseInstant(text);
  } catch {
    return undefined;
  }
  return { kind: 'at', text, isSure: false };
}

/** `/db` of an address restricts what is compared, unless databases are named. */
function narrow(
  selection: EntrySelection,
  connections: readonly (Connection | undefined)[],
): EntrySelection {
  if (selection.databases !== undefined) return selection;
  const named = connections.flatMap((connection) => connection?.address.database ?? []);
  return named.length === 0 ? selection : { ...selection, databases: [...new Set(named)] };
}
