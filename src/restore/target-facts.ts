import { CodedError } from '../base/index.ts';
import { describeServer, type RedisConnection, type ServerIdentity } from '../redis/index.ts';
import { targetFormat, type TargetFormat, versionNumber } from '../rdb/index.ts';

/** What a restore needs to know of its target. */
export type TargetFacts = {
  readonly identity: ServerIdentity;
  readonly format: TargetFormat;
  readonly setPxat: boolean;
  readonly restoreOptions: boolean;
  /** PEXPIRETIME (7.0): exact expiries can be asked for. */
  readonly expireTime: boolean;
  readonly functions: boolean;
  /** See EncoderOptions.modules. */
  readonly modules: readonly string[] | null;
};

/** Value types of the modules that people run, by the module that owns them. */
const MODULE_TYPES: Readonly<Record<string, readonly string[]>> = {
  ReJSON: ['ReJSON-RL'],
  bf: ['MBbloom--', 'MBbloomCF', 'CMSk-TYPE', 'TopK-TYPE', 'TDIS-TYPE'],
  timeseries: ['TSDB-TYPE'],
  vectorset: ['vectorset'],
  graph: ['graphdata'],
};

/** Asks the target who it is. A server that does not tell its version is TARGET_UNSUITABLE. */
export async function readTargetFacts(conn: RedisConnection): Promise<TargetFacts> {
  const identity = await describeServer(conn);
  if (identity.family === 'unknown' || identity.version === '') {
    throw new CodedError('TARGET_UNSUITABLE', 'The target does not tell its version', {
      hint: 'Allow INFO for this user: ACL SETUSER <user> +info',
    });
  }
  const version = versionNumber(identity.version);
  // KeyDB speaks the commands of Redis 6.
  const commands = identity.family === 'keydb' ? 60000 : version;
  const isValkey = identity.family === 'valkey';
  return {
    identity,
    format: targetFormat(identity.family, version),
    setPxat: isValkey || commands >= 60200,
    restoreOptions: isValkey || commands >= 50000,
    expireTime: isValkey || commands >= 70000,
    functions: isValkey || commands >= 70000,
    modules: isValkey || commands >= 70000 ? null : moduleTypes(identity),
  };
}

function moduleTypes(identity: ServerIdentity): string[] {
  return (identity.modules ?? []).flatMap(({ name }) => MODULE_TYPES[name] ?? [name]);
}
