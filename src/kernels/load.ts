import { readFileSync } from 'node:fs';

/** The kernels there are, each `assembly/<name>.ts` beside this file built into `<name>.wasm`. */
export type KernelName = 'checksum' | 'encode' | 'transcode';

/** The linear memory of an instance. It never grows, so views of `buffer` stay good. */
export type KernelMemory = { readonly buffer: ArrayBuffer };

/** What we use of the global `WebAssembly`, which Node's type declarations leave out. */
type WebAssemblyApi = {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};
const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

const modules = new Map<KernelName, object>();

/**
 * A fresh instance of a kernel with a memory of its own, ready to use. The first call of a thread
 * reads and compiles the module (a few milliseconds). `Exports` is the caller's word for what the
 * module exports; nobody checks it.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- nothing can infer it
export function instantiateKernel<Exports>(
  name: KernelName,
): Exports & { readonly memory: KernelMemory } {
  let module = modules.get(name);
  if (module === undefined) {
    module = new Module(readFileSync(new URL(`./${name}.wasm`, import.meta.url)));
    modules.set(name, module);
  }
  return new Instance(module, {}).exports as Exports & { readonly memory: KernelMemory };
}
