/**
 * Where objects rest: named, immutable byte strings with atomic create-if-not-exists. A storage
 * knows nothing of repositories, compression or encryption; it keeps bytes, durably, and says
 * truthfully when it cannot.
 *
 * Invariants: an object is whole and durable, or not there at all; nothing is ever overwritten;
 * a read returns exactly the bytes asked for or fails. Names follow `checkObjectName`. Retry,
 * throttling and read-only are wrappers around `Storage`, never options of one implementation.
 * Every implementation and wrapper runs test/contracts/storage.ts.
 */
export { DirectoryStorage, type DirectoryStorageOptions } from './directory-storage.ts';
export { syncFolder } from './file-writer.ts';
export { checkObjectName, checkPrefix, MAX_NAME_BYTES } from './object-name.ts';
export { ReadOnlyStorage } from './read-only-storage.ts';
export type { ObjectInfo, ObjectWriter, ReadOptions, Storage } from './storage.ts';
