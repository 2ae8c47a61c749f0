// Where a cluster may be found, and the one place where an address becomes a node's identity.
// Everything that names a node (startup nodes, CLUSTER SLOTS, MOVED, ASK) passes through here, so a NAT map holds
// for all of them. Knows no sockets.

import type { ConnectionOptions } from 'node:tls';
import { OptionError } from '../base/errors.ts';
import { shownOption, withoutCredentials } from '../base/secrets.ts';

/** What a startup node may say for itself; everything else comes from `redisOptions`. */
export interface SeedOptions {
  readonly host?: string | undefined;
  readonly port?: number | string | undefined;
  /** Null: none, whatever `redisOptions` says. */
  readonly username?: string | null | undefined;
  readonly password?: string | null | undefined;
  readonly tls?: ConnectionOptions | boolean | null | undefined;
  readonly family?: number | undefined;
  /** The database of the whole client: a cluster of Valkey 9 may have several (`cluster-databases`). */
  readonly db?: number | string | null | undefined;
}

/** A number is a port, a string `host:port` or a `redis://` / `rediss://` URL. */
export type StartupNode = string | number | SeedOptions;

export interface NodeAddress {
  /** `host:port`: what the slot map, the pool and events call the node. */
  readonly key: string;
  readonly host: string;
  readonly port: number;
}

export interface Seed extends NodeAddress {
  readonly options: SeedOptions;
}

/** `"10.0.0.1:6379"` -> where to reach it, or a function of that key; null leaves the address as it is. */
export type NatMap =
  | Readonly<Record<string, { readonly host: string; readonly port: number }>>
  | ((key: string) => { readonly host: string; readonly port: number } | null | undefined);

export function addressOf(host: string, port: number): NodeAddress {
  return { key: `${host}:${port}`, host, port };
}

/** Splits `host:port`, `[v6]:port` and bare IPv6 with port as the pool spells it. */
export function parseKey(key: string): NodeAddress {
  const colon = key.lastIndexOf(':');
  const port = Number(key.slice(colon + 1));
  if (colon < 0 || !isPort(port)) throw new Error(`Invalid node key ${key}`);
  return addressOf(key.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port);
}

/** Maps an address a node has named to the one to reach it by. */
export function translate(host: string, port: number, natMap: NatMap | undefined): NodeAddress {
  const key = `${host}:${port}`;
  if (natMap === undefined) return { key, host, port };
  const mapped = typeof natMap === 'function' ? natMap(key) : Object.hasOwn(natMap, key) ? natMap[key] : undefined;
  return mapped ? addressOf(mapped.host, mapped.port) : { key, host, port };
}

/**
 * As translate(), for the key alone. A NAT map is the user's: what it throws, or gives that is no address, is an Error
 * that says so, and never an address that the pool cannot take.
 */
export function keyThrough(natMap: NatMap | undefined, host: string, port: number): string {
  if (natMap === undefined) return `${host}:${port}`;
  try {
    const { key } = translate(host, port, natMap);
    parseKey(key);
    return key;
  } catch (error) {
    throw new Error(`natMap of ${host}:${port}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Reads the startup nodes; throws OptionError that names the entry. */
export function parseSeeds(nodes: readonly StartupNode[]): Seed[] {
  if (!Array.isArray(nodes) || nodes.length === 0) {
    throw new OptionError('startupNodes', '`startupNodes` should contain at least one node.');
  }
  const seeds = new Map<string, Seed>();
  nodes.forEach((node, index) => {
    const seed = parseSeed(node, index);
    if (!seeds.has(seed.key)) seeds.set(seed.key, seed);
  });
  return [...seeds.values()];
}

function parseSeed(node: StartupNode, index: number): Seed {
  const where = `startupNodes[${index}]`;
  if (typeof node === 'number') return seedOf({ port: node }, where);
  if (typeof node === 'string') return seedOf(parseLocation(node, where), where);
  if (typeof node === 'object' && node !== null) return seedOf(node, where);
  throw new OptionError(where, `Invalid argument ${shownOption(where, node)}`);
}

function seedOf(options: SeedOptions, where: string): Seed {
  const host = options.host || '127.0.0.1';
  const port = options.port == null || options.port === '' ? 6379 : Number(options.port);
  if (!isPort(port)) {
    throw new OptionError(
      `${where}.port`,
      `Invalid option ${where}.port "${withoutCredentials(String(options.port))}". Expected a port from 1 to 65535`,
    );
  }
  return { ...addressOf(host, port), options };
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

/** A URL or `host:port` as options; `db` in a URL's path is left to the caller. */
export function parseLocation(text: string, where: string): SeedOptions & { readonly path?: string } {
  if (/^\d+$/.test(text)) return { port: Number(text) };
  if (text.startsWith('/')) return { path: text };
  const withScheme = text.includes('://') ? text : `redis://${text}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch {
    throw new OptionError(
      where,
      `Invalid option ${where} "${withoutCredentials(text)}". Expected host:port or a redis:// URL`,
    );
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw new OptionError(
      where,
      `Invalid option ${where} "${withoutCredentials(text)}". Expected the scheme redis:// or rediss://`,
    );
  }
  const db = url.pathname.length > 1 ? Number(url.pathname.slice(1)) : undefined;
  return {
    host: decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1') || undefined,
    port: url.port === '' ? undefined : Number(url.port),
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
    ...(db === undefined || !Number.isInteger(db) ? {} : { db }),
  };
}
