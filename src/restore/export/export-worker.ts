import { parentPort, workerData } from 'node:worker_threads';
import { assert, CodedError } from '../../base/index.ts';
import { openBlock } from '../../repository/index.ts';
import { CommandExporter } from './command-exporter.ts';
import type { ExportBlockReply, ExportBlockRequest, ExportOptions } from './exported-block.ts';
import { RdbExporter } from './rdb-exporter.ts';

/** The thread around a LineExporter: opens stored blocks and gives back what the export holds. */
const { options } = workerData as { readonly options: ExportOptions };
assert(parentPort !== null, 'this file is a worker');
const port = parentPort;
const exporter = options.way === 'rdb' ? new RdbExporter(options) : new CommandExporter(options);

port.on('message', (request: ExportBlockRequest) => {
  const { id, stored, rawLength, digest, nowMs } = request;
  let reply: ExportBlockReply;
  const transfer: ArrayBuffer[] = [];
  try {
    const exported = exporter.export(openBlock(stored, { rawLength, digest }), nowMs);
    transfer.push(exported.bytes.buffer as ArrayBuffer);
    reply = { id, exported };
  } catch (error) {
    const code = error instanceof CodedError ? error.code : undefined;
    reply = { id, error: { code, message: (error as Error).message } };
  }
  port.postMessage(reply, transfer);
});
