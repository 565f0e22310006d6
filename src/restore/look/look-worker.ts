import { parentPort, workerData } from 'node:worker_threads';
import { assert, CodedError } from '../../base/index.ts';
import { connect, Secret } from '../../redis/index.ts';
import { BlockLooker } from './block-looker.ts';
import type { LookReply, LookRequest, LookStart } from './look-messages.ts';

/** The thread around a BlockLooker, with a connection of its own. */
const { address, password, tls, options } = workerData as LookStart;
assert(parentPort !== null, 'this file is a worker');
const port = parentPort;

const opening = connect(
  { ...address, password: password === null ? null : new Secret(password) },
  { lostCode: 'TARGET_LOST', readBufferBytes: 256 << 10, ...(tls && { tls }) },
).then((conn) => new BlockLooker(conn, options));
// Told with the first answer.
opening.catch(() => {});

let turn: Promise<void> = Promise.resolve();

port.on('message', (request: LookRequest) => {
  turn = turn.then(() => answer(request));
});

async function answer(request: LookRequest): Promise<void> {
  const { id } = request;
  let reply: LookReply;
  try {
    const looker = await opening;
    reply = { id, sight: await looker.look(request) };
  } catch (error) {
    const code = error instanceof CodedError ? error.code : undefined;
    reply = { id, error: { code, message: (error as Error).message } };
  }
  port.postMessage(reply);
}
