// Which addresses that a server names may be dialed, and so be sent the password: `redirectAllow`. Knows no sockets.

import { BlockList, isIP } from 'node:net';
import { OptionError, RedisError } from '../base/errors.ts';

/**
 * Networks (`10.0.0.0/8`, `fd00::/8`), addresses, host names (`redis.example.com`) and suffixes of host names
 * (`.example.com`), or a function that says yes (true) or no.
 */
export type RedirectAllow = readonly string[] | ((host: string, port: number) => boolean);

/** Whether an address may be dialed. */
export type AddressGuard = (host: string, port: number) => boolean;

/** Undefined: every address may be. Throws OptionError that names the entry. */
export function guardOf(allow: RedirectAllow | null | undefined): AddressGuard | undefined {
  if (allow === undefined || allow === null) return undefined;
  if (typeof allow === 'function') return (host, port) => asked(allow, host, port);
  const networks = new BlockList();
  const names = new Set<string>();
  const suffixes: string[] = [];
  allow.forEach((entry, index) => {
    if (typeof entry === 'string' && addNetwork(networks, entry)) return;
    if (typeof entry !== 'string' || !/^(\*?\.)?[\w-]+(\.[\w-]+)*\.?$/.test(entry) || /^[\d.]+$/.test(entry)) {
      const where = `redirectAllow[${index}]`;
      const expected = 'Expected a network (10.0.0.0/8), an address, a host name or a suffix (.example.com)';
      throw new OptionError(where, `Invalid option ${where} "${String(entry)}". ${expected}`);
    }
    const name = plainName(entry);
    if (name.startsWith('*.')) suffixes.push(name.slice(1));
    else if (name.startsWith('.')) suffixes.push(name);
    else names.add(name);
  });
  return (host) => {
    const family = isIP(host);
    if (family !== 0) return networks.check(host, family === 4 ? 'ipv4' : 'ipv6');
    const name = plainName(host);
    return names.has(name) || suffixes.some((suffix) => name.endsWith(suffix));
  };
}

/** Why a call that was redirected there is not sent on. */
export function refusedRedirect(
  address: string,
  detail: { node?: string; slot?: number; cause?: unknown },
): RedisError {
  return new RedisError(`Redirected to ${address}, which redirectAllow does not allow.`, {
    code: 'ERR_REDIRECT_REFUSED',
    ...detail,
  });
}

// One that throws has not said yes.
function asked(allow: (host: string, port: number) => boolean, host: string, port: number): boolean {
  try {
    return allow(host, port) === true;
  } catch {
    return false;
  }
}

function addNetwork(networks: BlockList, entry: string): boolean {
  const [address = '', bits, more] = entry.split('/');
  const family = isIP(address);
  if (family === 0 || more !== undefined) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const most = family === 4 ? 32 : 128;
  if (bits === undefined) networks.addAddress(address, type);
  else if (!/^\d{1,3}$/.test(bits) || Number(bits) > most) return false;
  else networks.addSubnet(address, Number(bits), type);
  return true;
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
