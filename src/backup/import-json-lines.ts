import { CodedError } from '../base/index.ts';
import { LineSplitter } from '../entries/index.ts';
import { type DataBlock, shardId, type ShardWriter } from '../repository/index.ts';
import { Totals } from './counts.ts';
import type { ImportedShard, ImportRun } from './import-files.ts';
import type { ImportInput } from './import-input.ts';
import { ImportLines } from './import-lines.ts';
import { ImportPace } from './import-pace.ts';

/** Lines are read in pieces of this size, between which blocks are stored and others get a turn. */
const STEP_BYTES = 256 << 10;

const REPORT_MS = 100;

/**
 * Takes JSON Lines in as one shard of a backup, one file after the other, in one pass. Memory is
 * bounded by the longest line; backpressure is that nothing is read while blocks are stored.
 */
export async function takeJsonLines(run: ImportRun): Promise<ImportedShard> {
  const { request, writer } = run;
  const startedAtMs = request.repository.clock.now();
  const blocks: DataBlock[] = [];
  const { slotRanges } = writer;
  const selection = request.selection ?? {};
  const lines = new ImportLines({ slotRanges, selection, snapshotAtMs: startedAtMs }, (block) => {
    blocks.push(block);
  });
  const shard = writer.shard(shardId(0));
  shard.expectedBytes = run.expectedBytes ?? 0;
  const intake = new LineIntake(run, lines, shard, blocks);
  try {
    for (const input of run.inputs) await intake.take(input);
    if (lines.scanned === 0) {
      const names = run.inputs.map(({ name }) => name).join(', ');
      throw new CodedError('JSONL_INVALID', `Cannot import ${names}: there are no entries in it`);
    }
    const totals = new Totals();
    totals.add(lines.finish());
    await intake.store();
    await shard.close(request.signal);
    await writer.writeInstance(shardId(0), [], request.signal);
    return {
      facts: {
        shard: shardId(0),
        slots: null,
        address: run.inputs.map(({ name }) => name).join(' '),
        role: 'file',
        server: { family: 'unknown', version: null, runId: null },
        replication: null,
        lineage: null,
        rdb: null,
        snapshotAt: new Date(startedAtMs).toISOString(),
      },
      databases: totals.databases(),
      lossy: {},
      receivedBytes: intake.receivedBytes,
    };
  } finally {
    lines.close();
  }
}

/** The bytes of the files on their way into lines, and blocks on their way into the shard. */
class LineIntake {
  readonly #run: ImportRun;
  readonly #lines: ImportLines;
  readonly #shard: ShardWriter;
  readonly #blocks: DataBlock[];
  readonly #pace: ImportPace | undefined;
  #reportedAtMs = 0;
  #storedBytes = 0;
  /** Of files that have been read to their end. */
  #bytesBefore = 0;
  #input: ImportInput | undefined;

  constructor(run: ImportRun, lines: ImportLines, shard: ShardWriter, blocks: DataBlock[]) {
    this.#run = run;
    this.#lines = lines;
    this.#shard = shard;
    this.#blocks = blocks;
    const { control, repository } = run.request;
    this.#pace = control && new ImportPace(control, repository.clock);
  }

  get receivedBytes(): number {
    return this.#bytesBefore + (this.#input?.readBytes ?? 0);
  }

  async take(input: ImportInput): Promise<void> {
    const lines = this.#lines;
    this.#input = input;
    lines.openInput(input.name);
    const splitter = new LineSplitter(input.name, (bytes, start, end, number, offset) => {
      lines.line(bytes, start, end, { number, offset });
    });
    for await (const chunk of input.chunks()) {
      for (let at = 0; at < chunk.length; at += STEP_BYTES) {
        const step = chunk.subarray(at, at + STEP_BYTES);
        splitter.push(step);
        await this.store();
        await this.#pace?.wait(step.length, this.#run.request.signal);
      }
      this.#report(input);
    }
    splitter.end();
    lines.closeInput();
    this.#bytesBefore += input.readBytes;
    this.#input = undefined;
  }

  /** Stores the blocks that are ready. */
  async store(): Promise<void> {
    const { signal } = this.#run.request;
    signal?.throwIfAborted();
    for (const block of this.#blocks) {
      this.#storedBytes += block.stored.length;
      await this.#shard.append(block, signal);
    }
    this.#blocks.length = 0;
  }

  #report(input: ImportInput): void {
    const nowMs = performance.now();
    if (nowMs - this.#reportedAtMs < REPORT_MS) return;
    this.#reportedAtMs = nowMs;
    this.#run.request.onProgress?.({
      phase: 'receiving',
      text: `Reading ${input.name}`,
      receivedBytes: this.receivedBytes,
      expectedBytes: this.#run.expectedBytes,
      keys: this.#lines.keys,
      storedBytes: this.#storedBytes,
    });
  }
}
