/**
 * The hot loops of backup and restore in WebAssembly (docs/decisions/0006-kernels.md). The sources
 * are AssemblyScript in `assembly/`, built by scripts/build-kernels.ts into the committed .wasm
 * files; here is only what loads them. A kernel has one memory that never grows and no imports. It
 * does the common cases, byte for byte like the TypeScript beside its caller, and hands whatever it
 * does not know back before it has written any of it: never does a kernel judge that data is bad.
 */
export { updateCrc64Kernel } from './checksum-kernel.ts';
export { COUNT, MAX_RANGES, STOP, TranscodeKernel } from './transcode-kernel.ts';
export { instantiateKernel, type KernelMemory, type KernelName } from './load.ts';
