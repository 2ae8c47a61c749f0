// The commands of replication: REPLCONF, PSYNC and SYNC of replicas, REPLICAOF of operators.
// Knows sessions, whose sockets the stream takes over; the rest is the node's replication.

import type { World } from '../../lib/base/world.ts';
import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { CommandGroup } from '../engine/registry.ts';
import { fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { Session } from '../session/session.ts';
import type { ReplicaFacts } from './attached-replica.ts';
import type { NodeReplication } from './replication.ts';
import { type FailoverRequest, isAt } from './single-failover.ts';
import type { StreamAddress } from './stream.ts';

type Said = { -readonly [name in keyof ReplicaFacts]?: ReplicaFacts[name] };

const noMasterLink = new ReplyError("NOMASTERLINK Can't SYNC while not connected with my master");
const notInCluster = new ReplyError('ERR REPLICAOF not allowed in cluster mode.');
const alreadyConnected = new Status('OK Already connected to specified master');
const longestHost = 255;

export function replicationCommands(replication: NodeReplication): CommandGroup<Client> {
  const said = new WeakMap<Client, Said>();
  const factsOf = (client: Client): Said => {
    const known = said.get(client) ?? {};
    said.set(client, known);
    return known;
  };
  return {
    replconf: (client, argv) => replconf(replication, factsOf(client), argv),
    psync: (client, argv) => {
      const next = readPlace(client, argv[2]!, replication.world);
      const position = argv[1] === '?' ? undefined : { id: argv[1]!, next };
      if (sameWord(argv[3], 'failover')) takeOver(replication, argv[1]!);
      return serve(replication, client, { ...factsOf(client), psync: true }, position);
    },
    sync: (client) => serve(replication, client, { ...factsOf(client), psync: false }, undefined),
    replicaof: (_client, argv) => replicaOf(replication, argv),
    slaveof: (_client, argv) => replicaOf(replication, argv),
    failover: (_client, argv) => failover(replication, argv),
  };
}

/** Throws an error reply. */
function readPlace({ sink }: Client, text: string, world: World): number {
  try {
    return readLong(text);
  } catch (error) {
    const name = sink instanceof Session ? sink.address : '<unknown>';
    world.log(`Replica ${name} asks for synchronization but with a wrong offset`);
    throw error;
  }
}

function serve(
  replication: NodeReplication,
  client: Client,
  said: Said,
  position: { id: string; next: number } | undefined,
): Reply | undefined {
  const { sink } = client;
  if (!(sink instanceof Session)) return new ReplyError('ERR this connection cannot carry a stream');
  if (replication.following && !replication.linked) return noMasterLink;
  const facts: ReplicaFacts = {
    host: said.host ?? hostOf(sink.address),
    port: said.port ?? 0,
    eof: said.eof ?? false,
    psync: said.psync ?? false,
    psync2: said.psync2 ?? false,
    copyOnly: said.copyOnly ?? false,
    functionsOnly: said.functionsOnly ?? false,
  };
  client.replicaLink = true;
  let hear: ((bytes: Buffer) => void) | undefined;
  const socket = sink.takeOver((bytes) => hear?.(bytes));
  hear = replication.primary.attach(facts, socket, position);
  return undefined;
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

function replconf(replication: NodeReplication, said: Said, argv: readonly string[]): Reply | undefined {
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
        replication.replica.acknowledge();
        return undefined;
      case 'ack':
        // Replicas acknowledge on their own connections, which are no sessions any more.
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

function failover(replication: NodeReplication, argv: readonly string[]): Reply {
  if (replication.clusterEnabled) fail('FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.');
  const { failover: current, primary, replica } = replication;
  if (argv.length === 2 && sameWord(argv[1], 'abort')) {
    if (current.state === 'no-failover') fail('No failover in progress.');
    current.abort('Failover manually aborted');
    return OK;
  }
  const request = readFailover(argv);
  const { target, timeoutMs, force } = request;
  if (current.state !== 'no-failover') fail('FAILOVER already in progress.');
  if (replica.address !== undefined) fail('FAILOVER is not valid when server is a replica.');
  if (primary.replicas.length === 0) fail('FAILOVER requires connected replicas.');
  if (force && (timeoutMs === 0 || target === undefined)) {
    fail('FAILOVER with force option requires both a timeout and target HOST and IP.');
  }
  if (target !== undefined) {
    const chosen = primary.replicas.find(({ facts }) => isAt(facts, target));
    if (chosen === undefined) return fail('FAILOVER target HOST and PORT is not a replica.');
    if (chosen.stage !== 'online') fail('FAILOVER target replica is not online.');
  }
  current.start(request);
  return OK;
}

function readFailover(argv: readonly string[]): FailoverRequest {
  let target: StreamAddress | undefined;
  let timeoutMs = 0;
  let force = false;
  for (let at = 1; at < argv.length; at++) {
    if (sameWord(argv[at], 'timeout') && at + 1 < argv.length && timeoutMs === 0) {
      timeoutMs = readLong(argv[++at]!);
      if (timeoutMs <= 0) fail('FAILOVER timeout must be greater than 0');
    } else if (sameWord(argv[at], 'to') && at + 2 < argv.length && target === undefined) {
      target = { port: readLong(argv[at + 2]!), host: argv[at + 1]! };
      at += 2;
    } else if (sameWord(argv[at], 'force') && !force) force = true;
    else syntaxError();
  }
  return { target, timeoutMs, force };
}

/** PSYNC ... FAILOVER: the master has held back its writes and wants this replica in its place. */
function takeOver(replication: NodeReplication, id: string): void {
  if (replication.replica.address === undefined) fail("PSYNC FAILOVER can't be sent to a master.");
  if (id !== replication.history.id) fail('PSYNC FAILOVER replid must match my replid.');
  replication.unfollowByCommand();
}

function replicaOf(replication: NodeReplication, argv: readonly string[]): Reply {
  if (replication.clusterEnabled) return notInCluster;
  if (sameWord(argv[1], 'no') && sameWord(argv[2], 'one')) {
    if (replication.failover.state !== 'no-failover') fail('REPLICAOF not allowed while failing over.');
    replication.unfollowByCommand();
    return OK;
  }
  if (replication.failover.state !== 'no-failover') fail('REPLICAOF not allowed while failing over.');
  const port = readLong(argv[2]!, 'Invalid master port');
  if (port < 0 || port > 65_535) fail('Invalid master port');
  const address = { host: argv[1]!, port };
  const current = replication.replica.address;
  if (current?.host === address.host && current.port === port) return alreadyConnected;
  replication.followByCommand(address);
  return OK;
}
