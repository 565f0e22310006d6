import { parentPort, workerData } from 'node:worker_threads';
import { assert, isCoded } from '../../base/index.ts';
import { openBlock } from '../../repository/index.ts';
import { BlockDigester } from './block-digester.ts';
import type { DigestOptions, DigestReply, DigestRequest } from './digest-messages.ts';

/** The thread around a BlockDigester: opens stored blocks and gives back records. */
assert(parentPort !== null, 'this file is a worker');
const port = parentPort;
const digester = new BlockDigester(workerData as DigestOptions);

port.on('message', ({ id, blocks, isLong }: DigestRequest) => {
  let block = 0;
  try {
    for (; block < blocks.length; block++) {
      const { stored, rawLength, digest } = blocks[block];
      const raw = openBlock(stored, { rawLength, digest });
      if (isLong) digester.addPart(raw);
      else digester.addBlock(raw);
    }
    const digested = digester.take();
    const reply: DigestReply = { id, digested };
    port.postMessage(reply, [digested.records.buffer as ArrayBuffer]);
  } catch (error) {
    const code = isCoded(error) ? error.code : undefined;
    const reply: DigestReply = { id, error: { code, message: (error as Error).message, block } };
    port.postMessage(reply);
  }
});
