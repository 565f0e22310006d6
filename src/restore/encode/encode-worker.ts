import { parentPort, workerData } from 'node:worker_threads';
import { assert, CodedError } from '../../base/index.ts';
import { openBlock } from '../../repository/index.ts';
import { BlockEncoder } from './block-encoder.ts';
import type { EncodeReply, EncodeRequest, EncodeStart } from './encode-messages.ts';

/** The thread around a BlockEncoder: opens stored blocks and gives back commands. */
const { options } = workerData as EncodeStart;
assert(parentPort !== null, 'this file is a worker');
const port = parentPort;
const encoder = new BlockEncoder(options);

port.on('message', (request: EncodeRequest) => {
  const { id, stored, rawLength, digest, nowMs } = request;
  let reply: EncodeReply;
  const transfer: ArrayBuffer[] = [];
  try {
    const encoded = encoder.encode(openBlock(stored, { rawLength, digest }), nowMs);
    transfer.push(encoded.commands.buffer as ArrayBuffer, encoded.ends.buffer as ArrayBuffer);
    reply = { id, encoded };
  } catch (error) {
    const code = error instanceof CodedError ? error.code : undefined;
    reply = { id, error: { code, message: (error as Error).message } };
  }
  port.postMessage(reply, transfer);
});
