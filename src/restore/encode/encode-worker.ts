import { parentPort } from 'node:worker_threads';
import { assert, CodedError } from '../../base/index.ts';
import { openBlock } from '../../repository/index.ts';
import { BlockEncoder } from './block-encoder.ts';
import {
  type EncodeReply,
  type EncodeRequest,
  type EncodeStart,
  READY,
} from './encode-messages.ts';

/** The thread around a BlockEncoder: opens stored blocks and gives back commands. */
assert(parentPort !== null, 'this file is a worker');
const port = parentPort;
let encoder: BlockEncoder | undefined;

port.on('message', (message: EncodeStart | EncodeRequest) => {
  if ('options' in message) encoder = new BlockEncoder(message.options);
  else encode(message);
});

const ready: EncodeReply = { id: READY };
port.postMessage(ready, []);

function encode(request: EncodeRequest): void {
  assert(encoder !== undefined, 'the options come first');
  const { id, stored, rawLength, digest, nowMs, spare } = request;
  let reply: EncodeReply;
  const transfer: ArrayBuffer[] = [];
  try {
    const encoded = encoder.encode(openBlock(stored, { rawLength, digest }), nowMs, spare);
    transfer.push(encoded.commands.buffer as ArrayBuffer, encoded.ends.buffer as ArrayBuffer);
    reply = { id, encoded };
  } catch (error) {
    const code = error instanceof CodedError ? error.code : undefined;
    reply = { id, error: { code, message: (error as Error).message } };
  }
  port.postMessage(reply, transfer);
}
