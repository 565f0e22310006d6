/** Where an export goes: a file, a pipe, memory. Calls come one after the other. */
export interface ExportOutput {
  /** Resolves when the bytes may be reused. STORAGE_FULL, STORAGE_FAILED. */
  write(bytes: Uint8Array): Promise<void>;
  /** All is written: makes it durable and visible, where that means something. */
  commit(): Promise<void>;
  /** Leaves nothing behind. May be called at any time; after `commit` it does nothing. */
  abort(): Promise<void>;
}
