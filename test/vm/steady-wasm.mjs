/**
 * Preloaded in the guests (NODE_OPTIONS): WebAssembly keeps the code that it was compiled to first. Node strips types with
 * WebAssembly, in every thread of its own, and V8 replaces that code by better one while it runs. Under QEMU 7.2 with two
 * emulated processors that ends a process now and then (SIGSEGV, or `Check failed: it->second.Size() > offset`): 4 of 12
 * starts of nothing but three threads that load our sources on a busy machine; none of 36 without the replacement, none of
 * 8 with one emulated processor at a time, none of 60 outside of QEMU. The package holds JavaScript and needs none of this.
 */
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--no-wasm-tier-up");
setFlagsFromString("--no-wasm-dynamic-tiering");
