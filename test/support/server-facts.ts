import type { RespPipe } from './resp-pipe.ts';

/** What decides which commands a server knows. */
export type ServerFacts = {
  readonly major: number;
  readonly minor: number;
  readonly valkey: boolean;
  readonly cluster: boolean;
};

export async function readFacts(pipe: RespPipe): Promise<ServerFacts> {
  const info = String(await pipe.call('INFO', 'server'));
  const valkey = /^valkey_version:(\d+)\.(\d+)/m.exec(info);
  const version = valkey ?? /^redis_version:(\d+)\.(\d+)/m.exec(info);
  return {
    major: Number(version?.[1] ?? 0),
    minor: Number(version?.[2] ?? 0),
    valkey: valkey !== null,
    cluster: /^redis_mode:cluster/m.test(info),
  };
}
