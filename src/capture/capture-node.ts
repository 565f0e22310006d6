import { type BackupRequest, marksOf } from '../backup/index.ts';
import { CodedError, isCoded } from '../base/index.ts';
import { displayAddress, resolveAddress, type ServerIdentity } from '../redis/index.ts';
import { ensureSource } from '../repository/index.ts';
import { chooseNode, type NodeChoice } from '../sources/index.ts';
import type { ShardSetup } from './shard-setup.ts';

/** The node of a shard that is read, which may be another one after each break. */
export class CaptureNode {
  readonly #setup: ShardSetup;
  readonly #notice: (text: string) => void;
  #choice: NodeChoice | null = null;

  constructor(setup: ShardSetup, notice: (text: string) => void) {
    this.#setup = setup;
    this.#notice = notice;
  }

  get identity(): ServerIdentity | null {
    return this.#choice?.identity ?? null;
  }

  /** Without secrets. */
  get shown(): string {
    const { address } = this.#choice ?? this.#setup.captured;
    return displayAddress({ ...address, user: null, database: null });
  }

  /** It cannot make a dump without data, and begins every recording with a whole one. */
  get isOld(): boolean {
    const { family, versionNumber } = this.identity ?? {};
    return family !== 'valkey' && (versionNumber?.[0] ?? 7) < 7;
  }

  /** How a link to the node is opened, beside what it is for. */
  get linkOptions() {
    const { request, captured } = this.#setup;
    const { signal, deadlines, commandNames, announceEof } = request;
    return {
      signal,
      ...(captured.tls && { tls: captured.tls }),
      ...(deadlines && { deadlines }),
      ...(commandNames && { commandNames }),
      ...(announceEof !== undefined && { announceEof }),
    };
  }

  /**
   * The node to read from `resume` on. A replica that has less of the same history than we do would
   * refuse to continue it, and a gap would be recorded that is none: its master is read instead, or
   * it is waited for. Throws what `connect` throws, REPLICA_UNAVAILABLE, SOURCE_LOADING.
   */
  async find(resume: HistoryPlace | null): Promise<NodeChoice> {
    const { request, captured } = this.#setup;
    const options = { signal: request.signal, ...(captured.tls && { tls: captured.tls }) };
    const address = await resolveAddress(captured.address, options);
    const from = request.from ?? 'auto';
    let choice = await chooseNode(address, from, options);
    if (isBehind(choice.identity, resume) && choice.role === 'replica' && from === 'auto') {
      choice = await chooseNode(address, 'master', options);
    }
    if (isBehind(choice.identity, resume)) {
      const where = displayAddress(choice.address);
      const message = `Cannot go on from ${where}: it has less of the history than we do`;
      throw new CodedError('REPLICA_UNAVAILABLE', message);
    }
    if (choice.identity.loading === true) {
      const message = `Cannot record from ${displayAddress(choice.address)}: it is loading its data`;
      throw new CodedError('SOURCE_LOADING', message);
    }
    const before = this.#choice;
    this.#choice = choice;
    const isNew =
      before?.identity.runId !== choice.identity.runId ||
      before?.identity.replid !== choice.identity.replid;
    if (isNew) await this.#recognise(choice, address);
    return choice;
  }

  /** A full backup of whichever node is fit for it. */
  backupRequest(lineageOf: NonNullable<BackupRequest['lineageOf']>): BackupRequest {
    const { request, captured, source, folder } = this.#setup;
    const { repository, deadlines, commandNames } = request;
    return {
      repository,
      address: captured.address,
      sourceName: source.name,
      from: request.from ?? 'auto',
      mode: 'psync',
      workers: 1,
      lineageOf,
      onNotice: this.#notice,
      ...(captured.tls && { tls: captured.tls }),
      ...(captured.labels && { labels: captured.labels }),
      ...(deadlines && { deadlines }),
      ...(commandNames && { commandNames }),
      // Without rdb-only a server keeps the stream for us meanwhile: we read at full speed.
      ...(this.isOld && { spoolFolder: folder }),
    };
  }

  /** Whoever answers where we follow a source is that source: full backups must know it too. */
  async #recognise(choice: NodeChoice, named: NodeChoice['address']): Promise<void> {
    const { request, source } = this.#setup;
    const marks = marksOf(choice, named);
    const description = { name: source.name, kind: 'standalone', marks, adopt: true } as const;
    try {
      await ensureSource(request.repository, description, request.signal);
    } catch (error) {
      // Recording does not need it, and the store may come back.
      if (!isCoded(error)) throw error;
    }
  }
}

type HistoryPlace = { readonly replid: string; readonly offset: number };

/** Whether a node follows the history, and is not as far as we are. */
export function isBehind(identity: ServerIdentity, place: HistoryPlace | null): boolean {
  const { replid, offset } = identity;
  return place !== null && replid === place.replid && offset !== null && offset < place.offset;
}
