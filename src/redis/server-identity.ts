export type ServerFamily = 'redis' | 'valkey' | 'keydb' | 'unknown';

export type ServerModule = { readonly name: string; readonly version: number };

/** One line `slaveN:` of INFO replication. */
export type ReplicaInfo = {
  readonly host: string;
  readonly port: number;
  /** `online`, `send_bulk`, `wait_bgsave`. */
  readonly state: string;
  readonly offset: number;
  /** Seconds since its last acknowledgement. */
  readonly lagSeconds: number;
};

/** What a server says of itself: `null` where it would not; `forbidden` lists what it refused. */
export type ServerIdentity = {
  readonly family: ServerFamily;
  /** As the server writes it (Valkey's own, not its compatibility 7.2.4); empty when unknown. */
  readonly version: string;
  readonly versionNumber: readonly [number, number, number];
  readonly runId: string | null;
  readonly mode: 'standalone' | 'cluster' | 'sentinel' | null;
  readonly role: 'master' | 'replica' | null;
  readonly replid: string | null;
  readonly offset: number | null;
  readonly databases: number | null;
  /** Keys per database number, those that have any. */
  readonly keys: Readonly<Record<number, number>> | null;
  readonly usedMemory: number | null;
  readonly maxMemory: number | null;
  readonly maxMemoryPolicy: string | null;
  readonly systemMemory: number | null;
  readonly modules: readonly ServerModule[] | null;
  readonly replicas: readonly ReplicaInfo[] | null;
  /** Of a replica: where its master is and whether the link to it is up. */
  readonly master: {
    readonly host: string;
    readonly port: number;
    readonly linkUp: boolean;
  } | null;
  readonly loading: boolean | null;
  readonly bgsaveInProgress: boolean | null;
  readonly lastBgsaveOk: boolean | null;
  readonly os: string | null;
  /** All of INFO, by name, for whoever needs a figure more. Empty when forbidden. */
  readonly info: Readonly<Record<string, string>>;
  /** Commands that were refused: `INFO`, `CONFIG GET`, `MODULE LIST`. */
  readonly forbidden: readonly string[];
};
