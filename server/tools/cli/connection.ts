// How a command reaches a cluster: addresses as people write them, and the options of a connection, by line and by
// environment. A password on the command line can be read by other users of the machine, one in the environment cannot.

import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { World } from '../../../lib/base/world.ts';
import { type ClusterLinkOptions, type NodeAddress, parseAddress } from '../../operator/link/cluster-link.ts';
import { usage } from './arguments.ts';
import type { OptionTable, OptionValues } from './command.ts';

const table = {
  user: { kind: 'text', value: 'NAME', help: 'user for AUTH; or LINGCACHE_USER' },
  password: {
    kind: 'text',
    value: 'PASSWORD',
    help: 'password for AUTH; better by LINGCACHE_PASSWORD or REDISCLI_AUTH',
  },
  tls: { kind: 'flag', help: 'connect with TLS' },
  'tls-ca': { kind: 'text', value: 'FILE', help: "certificates to trust; default: the system's" },
  'tls-cert': { kind: 'text', value: 'FILE', help: 'certificate of this client' },
  'tls-key': { kind: 'text', value: 'FILE', help: 'its key' },
  'tls-insecure': { kind: 'flag', help: 'do not check who the server is' },
  'nat-map': { kind: 'list', value: 'A=B,...', help: 'reach the node that calls itself host:port A at host:port B' },
  timeout: {
    kind: 'duration',
    value: 'TIME',
    least: 1,
    default: 5000,
    help: 'what a node may take to answer; default 5s',
  },
} as const satisfies OptionTable;

export const connectionOptions: OptionTable = table;

type Environment = Readonly<Record<string, string | undefined>>;

/** `address`: one node or several with commas between. Throws an ExitError (2) that names the option at fault. */
export function linkOptions(
  address: string,
  given: Readonly<Record<string, unknown>>,
  env: Environment,
  world: World,
): ClusterLinkOptions {
  const options = given as OptionValues<typeof table>;
  const urls = address.split(',').map((one) => readAddress(one.trim()));
  const first = urls[0]!;
  const username = options.user ?? env['LINGCACHE_USER'] ?? first.username;
  const password = options.password ?? env['LINGCACHE_PASSWORD'] ?? env['REDISCLI_AUTH'] ?? first.password;
  const tls = readTls(options, first.tls);
  return {
    seeds: urls.map(({ host, port }) => ({ host, port })),
    world,
    username,
    password,
    timeoutMs: options.timeout,
    ...(tls === undefined ? {} : { tls }),
    natMap: readNatMap(options['nat-map']),
  };
}

interface ReadAddress extends NodeAddress {
  readonly username?: string;
  readonly password?: string;
  readonly tls: boolean;
}

/** `host:port`, `[v6]:port`, `:port`, a port alone, or a URL with `redis:` or `rediss:`. */
function readAddress(text: string): ReadAddress {
  if (/^(rediss?|valkeys?):\/\//.test(text)) return readUrl(text);
  const address = parseAddress(/^\d+$/.test(text) ? `127.0.0.1:${text}` : text.replace(/^:(?=\d)/, '127.0.0.1:'));
  if (address === undefined) throw usage(`'${text}' is no address: host:port is meant, of any node of the cluster`);
  return { ...address, tls: false };
}

function readUrl(text: string): ReadAddress {
  if (!URL.canParse(text)) throw usage(`'${text}' is no URL`);
  const { hostname, port, username, password, protocol } = new URL(text);
  return {
    host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: port === '' ? 6379 : Number(port),
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    tls: protocol === 'rediss:' || protocol === 'valkeys:',
  };
}

/** Host and port of a command's argument that is one node. Throws an ExitError (2). */
export function readNode(text: string): NodeAddress {
  const { host, port } = readAddress(text);
  return { host, port };
}

function readTls(options: OptionValues<typeof table>, wanted: boolean): ConnectionOptions | undefined {
  const { 'tls-ca': ca, 'tls-cert': cert, 'tls-key': key, 'tls-insecure': insecure } = options;
  const asked = wanted || options.tls || insecure || [ca, cert, key].some((file) => file !== undefined);
  if (!asked) return undefined;
  if ((cert === undefined) !== (key === undefined)) throw usage('--tls-cert and --tls-key go together');
  return {
    ...(ca === undefined ? {} : { ca: readText('tls-ca', ca) }),
    ...(cert === undefined ? {} : { cert: readText('tls-cert', cert) }),
    ...(key === undefined ? {} : { key: readText('tls-key', key) }),
    ...(insecure ? { rejectUnauthorized: false } : {}),
  };
}

function readText(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usage(`--${name}: ${(error as Error).message}`);
  }
}

function readNatMap(pairs: readonly string[]): Record<string, NodeAddress> {
  const map: Record<string, NodeAddress> = {};
  for (const pair of pairs) {
    const [from = '', to = '', ...more] = pair.split('=');
    const [inside, outside] = [parseAddress(from), parseAddress(to)];
    if (inside === undefined || outside === undefined || more.length > 0) {
      throw usage(`--nat-map: '${pair}' is not host:port=host:port`);
    }
    map[`${inside.host}:${inside.port}`] = outside;
  }
  return map;
}
