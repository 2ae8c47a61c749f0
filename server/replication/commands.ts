// The commands of replication: REPLCONF, PSYNC and SYNC of replicas, REPLICAOF of operators.
// Knows sessions, whose sockets the stream takes over; the rest is the node's replication.

import type { Socket } from 'node:net';
import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { CommandGroup } from '../engine/registry.ts';
import { fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { Session } from '../session/session.ts';
import type { ReplicaFacts } from './attached-replica.ts';
import type { StreamAddress } from './stream.ts';

export interface ReplicationWordsHost {
  readonly clusterEnabled: boolean;
  /** A replica whose link to its master is down has no stream to hand on. */
  readonly canServe: boolean;
  readonly address: StreamAddress | undefined;
  /** How many replicas hang on this node. */
  readonly replicas: number;
  attach(
    facts: ReplicaFacts,
    socket: Socket,
    position: { id: string; next: number } | undefined,
  ): (bytes: Buffer) => void;
  acknowledge(): void;
  follow(address: StreamAddress): void;
  unfollow(): void;
}

type Said = { -readonly [name in keyof ReplicaFacts]?: ReplicaFacts[name] };

const noMasterLink = new ReplyError("NOMASTERLINK Can't SYNC while not connected with my master");
const notInCluster = new ReplyError('ERR REPLICAOF not allowed in cluster mode.');
const alreadyConnected = new Status('OK Already connected to specified master');
const longestHost = 255;

export function replicationWords(host: ReplicationWordsHost): CommandGroup<Client> {
  const said = new WeakMap<Client, Said>();
  const factsOf = (client: Client): Said => {
    const known = said.get(client) ?? {};
    said.set(client, known);
    return known;
  };
  return {
    replconf: (client, argv) => replconf(host, factsOf(client), argv),
    psync: (client, argv) => {
      const next = readLong(argv[2]!);
      const position = argv[1] === '?' ? undefined : { id: argv[1]!, next };
      return serve(host, client, { ...factsOf(client), psync: true }, position);
    },
    sync: (client) => serve(host, client, { ...factsOf(client), psync: false }, undefined),
    replicaof: (_client, argv) => replicaOf(host, argv),
    slaveof: (_client, argv) => replicaOf(host, argv),
    failover: (_client, argv) => failover(host, argv),
  };
}

function serve(
  host: ReplicationWordsHost,
  client: Client,
  said: Said,
  position: { id: string; next: number } | undefined,
): Reply | undefined {
  const { outlet } = client;
  if (!(outlet instanceof Session)) return new ReplyError('ERR this connection cannot carry a stream');
  if (!host.canServe) return noMasterLink;
  const facts: ReplicaFacts = {
    host: said.host ?? hostOf(outlet.address),
    port: said.port ?? 0,
    eof: said.eof ?? false,
    psync: said.psync ?? false,
    psync2: said.psync2 ?? false,
    copyOnly: said.copyOnly ?? false,
    functionsOnly: said.functionsOnly ?? false,
  };
  client.replicaLink = true;
  let hear: ((bytes: Buffer) => void) | undefined;
  const socket = outlet.takeOver((bytes) => hear?.(bytes));
  hear = host.attach(facts, socket, position);
  return undefined;
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

function replconf(host: ReplicationWordsHost, said: Said, argv: readonly string[]): Reply | undefined {
  if (argv.length % 2 === 0) syntaxError();
  for (let at = 1; at < argv.length; at += 2) {
    const value = argv[at + 1]!;
    switch (argv[at]!.toLowerCase()) {
      case 'listening-port':
        said.port = readLong(value);
        break;
      case 'ip-address':
        if (value.length > longestHost) {
          fail(`REPLCONF ip-address provided by replica instance is too long: ${value.length} bytes`);
        }
        said.host = value;
        break;
      case 'capa':
        if (sameWord(value, 'eof')) said.eof = true;
        else if (sameWord(value, 'psync2')) said.psync2 = true;
        break;
      case 'rdb-only':
        said.copyOnly = readFlag(value);
        break;
      case 'rdb-filter-only':
        said.functionsOnly = readFilter(value);
        break;
      case 'getack':
        host.acknowledge();
        return undefined;
      case 'ack':
        // Only a replica's word counts, and a replica does not speak to a session.
        return undefined;
      default:
        fail(`Unrecognized REPLCONF option: ${argv[at]}`);
    }
  }
  return OK;
}

function readFlag(text: string): boolean {
  const value = readLong(text);
  if (value !== 0 && value !== 1) fail('value is out of range, value must between 0 and 1');
  return value === 1;
}

function readFilter(text: string): boolean {
  const words = text.split(' ').filter((word) => word !== '');
  for (const word of words) if (!sameWord(word, 'functions')) fail(`Unsupported rdb-filter-only option: ${word}`);
  return words.length > 0;
}

/** FAILOVER of servers without a cluster: it is refused, in redis's words as long as redis would refuse it too. */
function failover(host: ReplicationWordsHost, argv: readonly string[]): ReplyError {
  if (host.clusterEnabled) fail('FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.');
  if (argv.length === 2 && sameWord(argv[1], 'abort')) fail('No failover in progress.');
  for (let at = 1; at < argv.length; at++) {
    if (sameWord(argv[at], 'timeout') && at + 1 < argv.length) {
      if (readLong(argv[++at]!) <= 0) fail('FAILOVER timeout must be greater than 0');
    } else if (sameWord(argv[at], 'to') && at + 2 < argv.length) {
      readLong(argv[at + 2]!);
      at += 2;
    } else if (!sameWord(argv[at], 'force')) syntaxError();
  }
  if (host.address !== undefined) fail('FAILOVER is not valid when server is a replica.');
  if (host.replicas === 0) fail('FAILOVER requires connected replicas.');
  return fail('FAILOVER is not possible on this server: use REPLICAOF on both sides.');
}

function replicaOf(host: ReplicationWordsHost, argv: readonly string[]): Reply {
  if (host.clusterEnabled) return notInCluster;
  if (sameWord(argv[1], 'no') && sameWord(argv[2], 'one')) {
    host.unfollow();
    return OK;
  }
  const port = readLong(argv[2]!, 'Invalid master port');
  if (port < 0 || port > 65_535) fail('Invalid master port');
  const address = { host: argv[1]!, port };
  if (host.address?.host === address.host && host.address.port === port) return alreadyConnected;
  host.follow(address);
  return OK;
}
