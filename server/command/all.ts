// Every command that any server has, in one registry. The node adds the commands that need its other parts (CLUSTER,
// MIGRATE, SAVE and others).
// Owns: nothing; each file of this room is a table of handlers without state.
// Does not know: sockets, slots, other nodes and the disk: a handler sees its client and the engine.
// Invariant: a handler runs to completion synchronously; waiting is a value that it returns.

import { Engine, type EngineOptions } from '../engine/engine.ts';
import { aclCommands } from './acl.ts';
import { bitmapCommands } from './bitmap.ts';
import { bitmapFieldCommands } from './bitmap-field.ts';
import { clientCommands } from './client.ts';
import { trackingCommands } from './client-tracking.ts';
import { commandCommands } from './command.ts';
import { connectionCommands } from './connection.ts';
import { counterCommands } from './counter.ts';
import { debugCommands } from './debug.ts';
import { expireCommands } from './expire.ts';
import { geoCommands } from './geo.ts';
import { geoSearchCommands } from './geo-search.ts';
import { hashCommands } from './hash.ts';
import { helpCommands } from './help.ts';
import { hyperloglogCommands } from './hyperloglog.ts';
import { hyperloglogDebugCommands } from './hyperloglog-debug.ts';
import { keyCommands } from './keys.ts';
import { latencyCommands } from './latency.ts';
import { lcsCommands } from './lcs.ts';
import { listCommands } from './list.ts';
import { listBlockingCommands } from './list-blocking.ts';
import { memoryCommands } from './memory.ts';
import { pubsubCommands } from './pubsub.ts';
import { serverCommands } from './server.ts';
import { oddCommands } from './server-odds.ts';
import { setCommands } from './set.ts';
import { setAlgebraCommands } from './set-algebra.ts';
import { clusterSortCommands, sortCommands } from './sort.ts';
import { streamCommands } from './stream.ts';
import { streamClaimCommands } from './stream-claim.ts';
import { streamGroupCommands } from './stream-group.ts';
import { streamInfoCommands } from './stream-info.ts';
import { streamReadCommands } from './stream-read.ts';
import { stringCommands } from './string.ts';
import { transactionCommands } from './transaction.ts';
import { zsetCommands } from './zset.ts';
import { zsetAlgebraCommands } from './zset-algebra.ts';
import { zsetPopCommands } from './zset-pop.ts';
import { zsetRangeCommands } from './zset-range.ts';

const dataCommands = [
  stringCommands,
  counterCommands,
  expireCommands,
  lcsCommands,
  listCommands,
  listBlockingCommands,
  hashCommands,
  setCommands,
  setAlgebraCommands,
  zsetCommands,
  zsetAlgebraCommands,
  zsetPopCommands,
  zsetRangeCommands,
  streamCommands,
  streamReadCommands,
  streamGroupCommands,
  streamClaimCommands,
  streamInfoCommands,
  bitmapCommands,
  bitmapFieldCommands,
  hyperloglogCommands,
  hyperloglogDebugCommands,
  geoCommands,
  geoSearchCommands,
  sortCommands,
];

/** An engine with all its commands; `stop()` it when done. */
export function createEngine(options: EngineOptions): Engine {
  const engine = new Engine(options);
  engine.add(connectionCommands(engine));
  engine.add(aclCommands(engine));
  engine.add(clientCommands(engine));
  engine.add(trackingCommands(engine));
  engine.add(transactionCommands(engine));
  engine.add(pubsubCommands(engine));
  engine.add(keyCommands(engine));
  engine.add(serverCommands(engine));
  engine.add(latencyCommands(engine));
  engine.add(memoryCommands(engine));
  engine.add(oddCommands(engine));
  engine.add(commandCommands(engine));
  engine.add(helpCommands);
  engine.add(debugCommands(engine));
  for (const group of dataCommands) engine.add(group);
  if (engine.clusterEnabled) engine.add(clusterSortCommands);
  renameCommands(engine);
  return engine;
}

/** Throws an Error for a command that does not exist, or a name that is taken. */
function renameCommands(engine: Engine): void {
  for (const [name, to] of engine.config.directives('rename-command')) {
    if (to === undefined) throw new Error('rename-command: wrong number of arguments');
    engine.registry.rename(name!, to);
  }
}
