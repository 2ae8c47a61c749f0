// Messages of the bus as packets and back: the one place where the fields of the gossip meet the bits of the
// wire. Invariant: what the wire cannot say (hostnames of third nodes) is left out, what only the wire says is ignored.

import type { Body, GossipEntry, Header, Message } from '../cluster/message.ts';
import { marks, nodeFlags } from './codec-layout.ts';
import type { GossipRecord, Packet, PacketBody, PingExtension } from './codec-packet.ts';

type PingPong = Extract<Body, { readonly gossip: unknown }>;

/** What a packet says of its sender beside the message. */
export interface SenderFacts {
  /** The cluster is ok in the sender's opinion. */
  readonly serving: boolean;
  /** The address it is configured to announce; `''`: receivers take the one they see. */
  readonly announcedHost: string;
}

/** Bits of what a sender can do: redis 7.0 knows the mark and never sets it without a hostname to announce. */
const able = { flags: nodeFlags.knowsExtensions, marks: marks.extensions } as const;

/** `extended`: the receiver knows more extensions than the hostname. */
export function packetFor({ header, body }: Message, facts: SenderFacts, extended = false): Packet {
  const role = header.role === 'master' ? nodeFlags.master : nodeFlags.replica;
  return {
    header: {
      port: header.port,
      currentEpoch: header.currentEpoch,
      configEpoch: header.configEpoch,
      offset: header.offset,
      sender: header.sender,
      bitmap: header.bitmap,
      master: header.role === 'replica' ? (header.master ?? '') : '',
      host: facts.announcedHost,
      plainPort: header.plainPort,
      cport: header.cport,
      flags:
        role |
        nodeFlags.myself |
        able.flags |
        (header.migrateTo ? nodeFlags.migrateTo : 0) |
        (header.noFailover ? nodeFlags.noFailover : 0),
      state: facts.serving ? 0 : 1,
      marks:
        ('gossip' in body ? able.marks : 0) | (header.paused ? marks.paused : 0) | (header.force ? marks.force : 0),
    },
    body: 'gossip' in body ? pingPong(body, header, extended) : body,
  };
}

function pingPong(body: PingPong, { hostname, shard }: Header, extended: boolean): PacketBody {
  const extensions: PingExtension[] = [];
  if (hostname !== '') extensions.push({ kind: 'hostname', text: hostname });
  if (extended && shard !== '') extensions.push({ kind: 'shard', id: shard });
  return { kind: body.kind, gossip: body.gossip.map(recordFor), extensions };
}

function recordFor(entry: GossipEntry): GossipRecord {
  const { id, host, port, cport, plainPort, role, suspect, failed } = entry;
  const flags =
    (role === 'master' ? nodeFlags.master : nodeFlags.replica) |
    (suspect ? nodeFlags.suspect : 0) |
    (failed ? nodeFlags.failed : 0);
  const pingSent = secondsOf(entry.pingSent);
  const pongReceived = secondsOf(entry.pongReceived);
  return { id, pingSent, pongReceived, host, port, cport, flags, plainPort };
}

/** The wire has 32 bits for it; a clock beyond them claims nothing. */
function secondsOf(ms: number): number {
  const seconds = Math.floor(ms / 1000);
  return seconds >= 0 && seconds <= 0xffff_ffff ? seconds : 0;
}

/** Undefined: a packet that is valid and says nothing to us (of a module, of a later version). */
export function messageFrom({ header, body }: Packet): Message | undefined {
  const parsed = bodyFrom(body);
  if (parsed === undefined) return undefined;
  return {
    header: {
      sender: header.sender,
      host: header.host,
      port: header.port,
      cport: header.cport,
      plainPort: header.plainPort,
      hostname: 'extensions' in body ? hostnameIn(body.extensions) : '',
      // As redis has it, whatever the flags say: who follows nobody is a master.
      role: header.master === '' ? 'master' : 'replica',
      master: header.master === '' ? null : header.master,
      currentEpoch: header.currentEpoch,
      configEpoch: header.configEpoch,
      bitmap: header.bitmap,
      offset: header.offset,
      noFailover: (header.flags & nodeFlags.noFailover) !== 0,
      migrateTo: (header.flags & nodeFlags.migrateTo) !== 0,
      shard: 'extensions' in body ? shardIn(body.extensions) : '',
      paused: (header.marks & marks.paused) !== 0,
      force: (header.marks & marks.force) !== 0,
    },
    body: parsed,
  };
}

function bodyFrom(body: PacketBody): Body | undefined {
  if (body.kind === 'module' || body.kind === 'unknown') return undefined;
  return 'gossip' in body ? { kind: body.kind, gossip: body.gossip.map(entryFrom) } : body;
}

function hostnameIn(extensions: readonly PingExtension[]): string {
  for (const value of extensions) if (value.kind === 'hostname') return value.text;
  return '';
}

function shardIn(extensions: readonly PingExtension[]): string {
  for (const value of extensions) if (value.kind === 'shard') return value.id;
  return '';
}

/** Whether its sender knows more extensions than the hostname, which is all that redis 7.0 knows. */
export function knowsExtensions({ header, body }: Packet): boolean {
  if ((header.marks & marks.extensions) === 0 || !('gossip' in body)) return false;
  if ((header.flags & nodeFlags.knowsExtensions) !== 0) return true;
  return body.extensions.length !== 1 || body.extensions[0]!.kind !== 'hostname';
}

function entryFrom({ id, host, port, cport, plainPort, flags, pingSent, pongReceived }: GossipRecord): GossipEntry {
  const lost = (flags & (nodeFlags.noAddress | nodeFlags.handshake)) !== 0;
  return {
    id,
    host: lost ? '' : host,
    port,
    cport,
    plainPort,
    hostname: '',
    role: (flags & nodeFlags.replica) === 0 ? 'master' : 'replica',
    suspect: (flags & nodeFlags.suspect) !== 0,
    failed: (flags & nodeFlags.failed) !== 0,
    pingSent: pingSent * 1000,
    pongReceived: pongReceived * 1000,
  };
}
