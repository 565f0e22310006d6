import { encodeCommand } from '../../src/resp/index.ts';

export { encodeCommand } from '../../src/resp/index.ts';

/** A replication stream: a text is one command, words between blanks; buffers go as they are. */
export function streamBytes(...commands: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(
    commands.map((command) =>
      typeof command === 'string' ? encodeCommand(command.split(' ')) : command,
    ),
  );
}
