// What a link between two parties does to the bytes that pass, in one direction: the options of users, their checks, and
// how several of them add up. Knows no sockets.

import { type MessageKind, messageKinds } from '../cluster/message.ts';

/** Kinds of packets of the cluster bus. */
export type BusPacketKind = MessageKind;

/** What may happen to a chunk of bytes, by chance. */
export type LinkFault = 'reset' | 'cutInside' | 'halve' | 'stall' | 'garble' | 'delay';

/** What the links have done so far. */
export type LinkCounts = Record<LinkFault | 'dropped' | 'connections', number>;

/** `clients`: whoever is no node. `*`: everybody. Else the id of a node. */
export type Party = string;

export interface LinkShape {
  /** Milliseconds that everything takes. Default 0. */
  readonly latencyMs?: number;
  /** Up to so many milliseconds more, by chance; the order is kept. Default 0. */
  readonly jitterMs?: number;
  /** Bytes a second. Default: any number. */
  readonly bandwidth?: number;
  /**
   * Chances (0 to 1, their sum at most 1) for each chunk: `reset` ends the connection, `cutInside` after a part of the
   * chunk, `halve` sends it in two pieces, `delay` holds it up by up to 30 ms, `stall` by `stallMs`, `garble` spoils a
   * byte of the framing of a reply so that no client can take it for another reply.
   */
  readonly chances?: Readonly<Partial<Record<LinkFault, number>>>;
  /** Milliseconds of a stall. Default 2500. */
  readonly stallMs?: number;
  /** Nothing arrives any more, and nobody is notified; what waits arrives when the link is healed. Default false. */
  readonly lost?: boolean;
  /** Packets of the cluster bus that are dropped, by kind; the link stays up. */
  readonly drop?: readonly BusPacketKind[];
  /** Only this kind of connection. Default: all. */
  readonly traffic?: Traffic;
  /** Only from the first party to the second one. Default false: both ways. */
  readonly oneWay?: boolean;
}

/** Of a client, the stream of a replica, the cluster bus. */
export type Traffic = 'client' | 'replication' | 'bus';

const faults: readonly string[] = ['reset', 'cutInside', 'halve', 'stall', 'garble', 'delay'] satisfies LinkFault[];
const known = new Set(
  'latencyMs jitterMs bandwidth chances stallMs lost drop traffic oneWay'.split(' ') as (keyof LinkShape)[],
);
const longest = 2 ** 31 - 1;

/** Throws a RangeError that names the option that is wrong. */
export function checkShape(shape: LinkShape): LinkShape {
  for (const name of Object.keys(shape)) {
    if (!known.has(name as keyof LinkShape)) throw new RangeError(`${name}: a link has no such option`);
  }
  checkNumber('latencyMs', shape.latencyMs, 0, longest);
  checkNumber('jitterMs', shape.jitterMs, 0, longest);
  checkNumber('stallMs', shape.stallMs, 0, longest);
  checkNumber('bandwidth', shape.bandwidth, 1, Number.POSITIVE_INFINITY);
  checkChances(shape.chances ?? {});
  for (const kind of shape.drop ?? []) {
    if (!messageKinds.includes(kind)) throw new RangeError(`drop: the bus has no packets of kind '${kind}'`);
  }
  const { traffic } = shape;
  if (traffic !== undefined && !['client', 'replication', 'bus'].includes(traffic)) {
    throw new RangeError(`traffic: '${traffic}' is none of client, replication, bus`);
  }
  return shape;
}

function checkNumber(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (value >= least && value <= most)) return;
  throw new RangeError(`${name}: ${value} is not within ${least}..${most}`);
}

function checkChances(chances: Readonly<Record<string, number>>): void {
  let sum = 0;
  for (const [name, chance] of Object.entries(chances)) {
    if (!faults.includes(name)) throw new RangeError(`chances: '${name}' is none of ${faults.join(', ')}`);
    if (!(chance >= 0 && chance <= 1)) throw new RangeError(`chances.${name}: ${chance} is not within 0..1`);
    sum += chance;
  }
  if (sum > 1) throw new RangeError(`chances: their sum is ${sum}, which is above 1`);
}

/** What holds for a chunk where several shapes fit: delays add up, the narrowest band counts, anything lost is lost. */
export interface Weather {
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly bandwidth: number;
  readonly chances: Readonly<Partial<Record<LinkFault, number>>>;
  readonly stallMs: number;
  readonly lost: boolean;
  readonly drop: ReadonlySet<BusPacketKind>;
}

export const calm: Weather = {
  latencyMs: 0,
  jitterMs: 0,
  bandwidth: Number.POSITIVE_INFINITY,
  chances: {},
  stallMs: 2500,
  lost: false,
  drop: new Set(),
};

export function sumOf(shapes: readonly LinkShape[]): Weather {
  return shapes.reduce<Weather>(
    (sum, shape) => ({
      latencyMs: sum.latencyMs + (shape.latencyMs ?? 0),
      jitterMs: sum.jitterMs + (shape.jitterMs ?? 0),
      bandwidth: Math.min(sum.bandwidth, shape.bandwidth ?? Number.POSITIVE_INFINITY),
      chances: { ...sum.chances, ...shape.chances },
      stallMs: shape.stallMs ?? sum.stallMs,
      lost: sum.lost || shape.lost === true,
      drop: new Set([...sum.drop, ...(shape.drop ?? [])]),
    }),
    calm,
  );
}
