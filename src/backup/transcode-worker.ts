import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { assert, CodedError } from '../base/index.ts';
import type { DataBlock } from '../repository/index.ts';
import { FastTranscoder } from './fast-transcoder.ts';
import type {
  BatchMessage,
  FlushMessage,
  WorkerMessage,
  WorkerStart,
} from './transcode-messages.ts';
import { Transcoder } from './transcoder.ts';

/**
 * The thread around a Transcoder. A key that takes several batches is read in one go: in its middle
 * the thread sleeps until the next piece has been posted, so the decoder needs no states.
 */
const { options, posted } = workerData as WorkerStart;
assert(parentPort !== null, 'this file is a worker');
const port = parentPort;
let sequence = 0;
const Chosen = FastTranscoder.suits(options) ? FastTranscoder : Transcoder;
const transcoder = new Chosen(options, onBlock);

function send(message: WorkerMessage, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function onBlock(block: DataBlock): void {
  const { stored, filter } = block;
  const memory = [stored.buffer as ArrayBuffer];
  if (filter !== null) memory.push(filter.bits.buffer as ArrayBuffer);
  send({ kind: 'block', sequence, block }, memory);
}

function returnMemory(bytes: Uint8Array): void {
  const memory = bytes.buffer as ArrayBuffer;
  send({ kind: 'memory', sequence, bytes: bytes.length, memory }, [memory]);
}

/** Waits for the next message, in the middle of a long key. */
function nextPiece(): BatchMessage {
  for (;;) {
    const seen = Atomics.load(posted, 0);
    const received = receiveMessageOnPort(port);
    if (received !== undefined) return received.message;
    Atomics.wait(posted, 0, seen);
  }
}

function transcode(message: BatchMessage): void {
  sequence = message.sequence;
  transcoder.addTemplates(message.templates);
  let held = message;
  // What the reader still copies the end of while it asks for more: it goes back one piece later.
  let spent: BatchMessage | undefined;
  const refill = (): Uint8Array | undefined => {
    if (held.part === 'last') return undefined;
    const next = nextPiece();
    if (spent !== undefined) returnMemory(spent.bytes);
    spent = held;
    held = next;
    return next.bytes;
  };
  const { bytes, format, offset, db, part } = message;
  const input = { bytes, format, offset, db, ...(part === 'first' && { refill }) };
  const counts = transcoder.transcode(input);
  assert(part !== 'first' || held.part === 'last', 'a long key ended before its last piece');
  if (spent !== undefined) returnMemory(spent.bytes);
  returnMemory(held.bytes);
  send({ kind: 'done', sequence, counts });
}

function flush(at: number): void {
  sequence = at;
  transcoder.flush();
  send({ kind: 'done', sequence, counts: { scanned: 0, databases: [] } });
}

port.on('message', (message: BatchMessage | FlushMessage) => {
  try {
    if (message.kind === 'batch') transcode(message);
    else flush(message.sequence);
  } catch (error) {
    const { message: text, stack } = error as Error;
    const coded = error instanceof CodedError ? error : undefined;
    send({
      kind: 'failed',
      sequence,
      error: { code: coded?.code, message: text, stack, offset: coded?.offset },
    });
  }
});
