import type { TlsOptions } from '../../redis/index.ts';
import type { RedisAddress } from '../../redis/index.ts';
import type { BlockSight, LookOptions, LookWish } from './block-sight.ts';
import type { ThreadError } from '../revive-error.ts';

export type LookRequest = LookWish & { readonly id: number };

export type LookReply = {
  readonly id: number;
  readonly sight?: BlockSight;
  readonly error?: ThreadError;
};

/** A secret does not survive the way to a thread: its text travels beside the address. */
export type LookStart = {
  readonly address: Omit<RedisAddress, 'password'>;
  readonly password: string | null;
  readonly tls: TlsOptions | undefined;
  readonly options: LookOptions;
};
