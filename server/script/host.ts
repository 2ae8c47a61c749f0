// What the libraries of a Lua state share: the state that they belong to. Their functions are made before it is.

import type { LuaThreads } from './threads.ts';
import type { LuaVm } from './vm.ts';
import type { HostFunction } from './wasm.ts';

export interface LuaHost {
  vm: LuaVm;
  threads: LuaThreads;
}

/** Functions of a library, by the names that the sandbox knows them by. */
export type HostFunctions = Readonly<Record<string, HostFunction>>;

/** Where a C closure finds its first value. */
export const firstUpvalue = -10_003;
