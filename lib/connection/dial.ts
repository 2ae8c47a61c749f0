// Opens one socket to one address, within a deadline. The only client file that knows node:net and node:tls.

import { lookup as systemLookup } from 'node:dns';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { lookupFailure, RedisError } from '../base/errors.ts';
import { withHint } from '../base/hint.ts';
import type { World } from '../base/world.ts';
import { openReading } from './reading.ts';

/** ioredis's shape of dns.lookup: the address of a name. The name itself may be given back: then the system looks it up. */
export type DNSLookupFunction = (
  hostname: string,
  callback: (error: NodeJS.ErrnoException | null | undefined, address: string, family?: number) => void,
) => void;

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** A unix socket; wins over host and port. */
  readonly path?: string | undefined;
  /** 4 or 6 to force a family; 0 for either. Default 0. */
  readonly family?: number | undefined;
  /** Milliseconds until the socket must be open (TLS handshake included). Default 10000. */
  readonly connectTimeout?: number | undefined;
  /** Milliseconds of silence before TCP probes start; 0 turns them off. Default 30000. */
  readonly keepAlive?: number | undefined;
  /** Default true: small writes leave at once. */
  readonly noDelay?: boolean | undefined;
  /** Given: the connection is TLS, with these options of node:tls. */
  readonly tls?: ConnectionOptions | undefined;
  /** Turns a host name into an address instead of dns.lookup. */
  readonly dnsLookup?: DNSLookupFunction | undefined;
  /** Name for the server's certificate when `host` is only an address. */
  readonly servername?: string | undefined;
}

export type { Socket };

export interface Dialing {
  /** An open socket with no listeners left on it, or the reason; never later than the deadline. */
  readonly opened: Promise<Socket>;
  cancel(reason: Error): void;
}

/** A world with a network of its own. */
export interface NetworkedWorld extends World {
  dial(options: DialOptions): Dialing;
}

export function dial(options: DialOptions, world: World): Dialing {
  return 'dial' in world ? (world as NetworkedWorld).dial(options) : dialSystem(options, world);
}

function dialSystem(options: DialOptions, world: World): Dialing {
  const timeout = options.connectTimeout ?? 10_000;
  const address = options.path ?? `${options.host}:${options.port}`;
  let cancel: (reason: Error) => void = () => {};
  const opened = new Promise<Socket>((resolve, reject) => {
    const socket = open(options);
    const ready = options.tls === undefined ? 'connect' : 'secureConnect';
    const timer =
      timeout > 0
        ? world.deadline(timeout, () =>
            failed(new RedisError('connect ETIMEDOUT', { code: 'ETIMEDOUT', node: address })),
          )
        : undefined;
    const detach = (): void => {
      timer?.cancel();
      socket.off(ready, succeeded);
      socket.off('error', failed);
      socket.off('close', closed);
    };
    const succeeded = (): void => {
      detach();
      socket.setNoDelay(options.noDelay ?? true);
      const keepAlive = options.keepAlive ?? 30_000;
      if (keepAlive > 0) socket.setKeepAlive(true, keepAlive);
      resolve(socket);
    };
    const failed = (error: Error): void => {
      detach();
      const hint = options.tls === undefined ? undefined : tlsHint(error, socket.connecting);
      socket.on('error', () => {});
      socket.destroy();
      reject(hint === undefined ? error : withHint(error, hint));
    };
    const closed = (): void => failed(new RedisError('Connection is closed.', { code: 'ECONNRESET', node: address }));
    socket.on(ready, succeeded);
    socket.on('error', failed);
    socket.on('close', closed);
    cancel = failed;
  });
  return { opened, cancel };
}

const untrusted: ReadonlySet<unknown> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** `connecting`: not even TCP has come about. */
function tlsHint(error: Error, connecting: boolean): string | undefined {
  const { code } = error as { code?: unknown };
  if (untrusted.has(code)) return 'the certificate is not signed by a known authority: set tls: { ca }';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'the certificate is for another name: set tls: { servername }';
  const noTls =
    code === 'ETIMEDOUT' || code === 'ECONNRESET' || /wrong version number|packet length/i.test(error.message);
  if (connecting || !noTls) return undefined;
  return 'the port takes connections and does not answer with TLS: is it a plain one? Leave tls out, or use redis://';
}

function open(options: DialOptions): Socket {
  const target =
    options.path === undefined
      ? {
          host: options.host,
          port: options.port,
          family: options.family ?? 0,
          ...(options.dnsLookup === undefined ? {} : { lookup: lookupForSockets(options.dnsLookup) }),
        }
      : { path: options.path };
  if (options.tls === undefined) return openReading((reading) => connectTcp({ ...target, ...reading }));
  const servername = options.servername ?? (isName(options.host) ? options.host : undefined);
  return connectTls({ ...target, ...(servername === undefined ? {} : { servername }), ...options.tls });
}

// In the form that sockets ask for. The host name stays what TLS verifies.
function lookupForSockets(lookup: DNSLookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    const answer = (error: NodeJS.ErrnoException | null | undefined, address: string): void => {
      const family = isIP(address);
      if (error) callback(lookupFailure(error), '', 0);
      // Both have one callback for one address and for all of them, which their types cannot say.
      else if (family === 0) systemLookup(address, options, callback as never);
      else if (options.all) callback(null, [{ address, family }]);
      else callback(null, address, family);
    };
    try {
      lookup(hostname, answer);
    } catch (error) {
      callback(lookupFailure(error as NodeJS.ErrnoException), '', 0);
    }
  };
}

// SNI carries names only, never addresses.
function isName(host: string): boolean {
  return !/^[\d.]+$/.test(host) && !host.includes(':');
}
