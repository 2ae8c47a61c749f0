// The CLUSTER NODES line grammar (also that of nodes.conf), both ways.
// `id ip:port@cport[,hostname] flags master|- ping pong epoch connected|disconnected ranges... [slot->-id] [slot-<-id]`
// Given a LeftOut, the reader leaves out lines, ranges and numbers that do not fit, and notes why.
// Invariant: print(parse(line)) gives back every field; ranges are printed maximal and ascending by the caller.
// Source: redis.io/commands/cluster-nodes; output of redis-server 7.0.15.

import type { LeftOut } from './left-out.ts';
import { textAt } from './reply-fields.ts';
import { slotCount } from './slot.ts';

export interface NodeLine {
  readonly id: string;
  /** `''` while the node does not know its own address. */
  readonly host: string;
  readonly port: number;
  /** Bus port; 0 when the line has none. */
  readonly cport: number;
  /** `''` when not announced. */
  readonly hostname: string;
  /** `myself master slave fail? fail handshake noaddr nofailover`; empty for `noflags`. */
  readonly flags: readonly string[];
  /** Id of the master, null for a master. */
  readonly master: string | null;
  /** Milliseconds of the pending ping (0: none) and of the last pong. */
  readonly pingSent: number;
  readonly pongReceived: number;
  readonly configEpoch: number;
  readonly connected: boolean;
  readonly ranges: readonly (readonly [start: number, end: number])[];
  /** Open slots of `myself`: slot -> the other node's id. */
  readonly migrating: ReadonlyMap<number, string>;
  readonly importing: ReadonlyMap<number, string>;
}

/**
 * Parses a CLUSTER NODES reply (string or bytes), one entry a line. Throws an Error naming the line and the field; with
 * `leftOut`, lines without an id and an address are left out instead, and of the others what cannot be read.
 */
export function parseNodes(reply: unknown, leftOut?: LeftOut): NodeLine[] {
  const text = textAt(reply, 'CLUSTER NODES');
  const lines: NodeLine[] = [];
  let number = 0;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    try {
      lines.push(parseNodeLine(line, `CLUSTER NODES line ${++number}`, leftOut));
    } catch (error) {
      if (leftOut === undefined) throw error;
      leftOut.add(error);
    }
  }
  return lines;
}

/** Every line ends in `\n`, the last one too. */
export function printNodes(nodes: readonly NodeLine[]): string {
  return nodes.map((node) => `${printNodeLine(node)}\n`).join('');
}

function parseNodeLine(line: string, where: string, leftOut: LeftOut | undefined): NodeLine {
  const tokens = line.trim().split(/\s+/);
  if (tokens.length < 8) throw new Error(`${where}: ${tokens.length} fields, expected at least 8`);
  const [id, address, flags, master, ping, pong, epoch, link] = tokens as [string, ...string[]] & string[];
  const fault = faultOf(leftOut);
  if (link !== 'connected' && link !== 'disconnected') fault(`${where} link: unknown word '${link}'`);
  const slots = parseSlotTokens(tokens.slice(8), where, fault);
  return {
    id,
    ...parseAddress(address!, where, fault),
    flags: flags === 'noflags' ? [] : flags!.split(','),
    master: master === '-' ? null : master!,
    pingSent: digits(ping!, `${where} ping`, fault) ?? 0,
    pongReceived: digits(pong!, `${where} pong`, fault) ?? 0,
    configEpoch: digits(epoch!, `${where} epoch`, fault) ?? 0,
    connected: link === 'connected',
    ...slots,
  };
}

/** What happens where a field does not fit: an Error, or it is left out. */
type Fault = (problem: string) => void;

function faultOf(leftOut: LeftOut | undefined): Fault {
  if (leftOut !== undefined) return (problem) => leftOut.add(problem);
  return (problem) => {
    throw new Error(problem);
  };
}

export function printNodeLine(node: NodeLine): string {
  const tokens = [
    node.id,
    `${node.host}:${node.port}@${node.cport}${node.hostname === '' ? '' : `,${node.hostname}`}`,
    node.flags.length === 0 ? 'noflags' : node.flags.join(','),
    node.master ?? '-',
    String(node.pingSent),
    String(node.pongReceived),
    String(node.configEpoch),
    node.connected ? 'connected' : 'disconnected',
    ...node.ranges.map(([start, end]) => (start === end ? String(start) : `${start}-${end}`)),
  ];
  for (const [slot, id] of node.migrating) tokens.push(`[${slot}->-${id}]`);
  for (const [slot, id] of node.importing) tokens.push(`[${slot}-<-${id}]`);
  return tokens.join(' ');
}

function parseAddress(
  text: string,
  where: string,
  fault: Fault,
): Pick<NodeLine, 'host' | 'port' | 'cport' | 'hostname'> {
  // The host may hold colons (IPv6), so the last one before '@' separates the port; 7.2 adds ',name=value' fields.
  const comma = text.indexOf(',');
  const address = comma < 0 ? text : text.slice(0, comma);
  const hostname = comma < 0 ? '' : text.slice(comma + 1).split(',')[0]!;
  const at = address.lastIndexOf('@');
  const hostPort = at < 0 ? address : address.slice(0, at);
  const colon = hostPort.lastIndexOf(':');
  if (colon < 0) throw new Error(`${where} address: no port in '${text}'`);
  return {
    host: hostPort.slice(0, colon),
    port: digits(hostPort.slice(colon + 1), `${where} port`, fault, 65535) ?? 0,
    cport: at < 0 ? 0 : (digits(address.slice(at + 1), `${where} bus port`, fault, 65535) ?? 0),
    hostname: hostname.includes('=') ? '' : hostname,
  };
}

function parseSlotTokens(
  tokens: readonly string[],
  where: string,
  fault: Fault,
): Pick<NodeLine, 'ranges' | 'migrating' | 'importing'> {
  const ranges: [number, number][] = [];
  const migrating = new Map<number, string>();
  const importing = new Map<number, string>();
  for (const token of tokens) {
    const open = /^\[(\d{1,5})-([<>])-(.+)\]$/.exec(token);
    if (open !== null) {
      const slot = digits(open[1]!, `${where} slot`, fault, 16383);
      if (slot !== undefined) (open[2] === '>' ? migrating : importing).set(slot, open[3]!);
      continue;
    }
    const range = parseRange(token, where, fault);
    if (range !== undefined) ranges.push(range);
  }
  return { ranges, migrating, importing };
}

function parseRange(token: string, where: string, fault: Fault): [number, number] | undefined {
  const [first, last, more] = token.split('-');
  const start = digits(first ?? '', `${where} slot`, fault, 16383);
  const end = last === undefined ? start : digits(last, `${where} slot`, fault, 16383);
  if (start === undefined || end === undefined) return undefined;
  if (end >= start && more === undefined) return [start, end];
  fault(`${where} slots: '${token}' is no range`);
  return undefined;
}

function digits(text: string, where: string, fault: Fault, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= max) return value;
  fault(`${where}: '${text}' is not a number within 0..${max}`);
  return undefined;
}

/** The owner of each slot among these nodes; undefined where it is nobody's. */
export function ownersIn<N extends Pick<NodeLine, 'ranges'>>(nodes: readonly N[]): (N | undefined)[] {
  const owners = new Array<N | undefined>(slotCount).fill(undefined);
  for (const node of nodes) for (const [start, end] of node.ranges) owners.fill(node, start, end + 1);
  return owners;
}
