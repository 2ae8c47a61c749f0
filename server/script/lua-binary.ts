// Lua 5.1 as WebAssembly, from the package that has compiled it. Knows nothing of what it is good for.
// The build puts its bytes in the place of this module: what is in the code itself no bundler can leave behind.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export function luaBinary(): Uint8Array {
  return readFileSync(createRequire(import.meta.url).resolve('wasmoon-lua5.1/dist/liblua5.1.wasm'));
}
