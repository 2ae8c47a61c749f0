// What an answer from the near cache costs: the call as the surface makes it (words, slot), the look-up and settling;
// without the promise, which costs the same with and without a cache. The node is a stub in this process that tracks.

import { RealWorld } from '../../lib/base/world.ts';
import { NearCache } from '../../lib/cache/near-cache.ts';
import {
  Call,
  CallFlag,
  type CommandSender,
  type Dispatcher,
  type ReplySource,
  type RoutableRequest,
} from '../../lib/connection/call.ts';
import type { ReconnectingConnection } from '../../lib/connection/reconnecting-connection.ts';
import { SlotMap } from '../../lib/topology/slot-map.ts';
import type { Argument } from '../../lib/wire/encoder.ts';
import { slotOf } from '../../lib/wire/slot.ts';
import type { MicroCase } from './stopwatch.ts';

const address = '127.0.0.1:6379';
const source: ReplySource = { address };

/** Answers at once: OK to CLIENT TRACKING, -1 to PTTL, and to everything else what `reply` gives. */
function laneOf(reply: (argv: readonly Argument[]) => unknown): CommandSender & ReconnectingConnection {
  const send = (call: Call): boolean => {
    const word = call.argv[0];
    call.sink.onReply(call, word === 'client' ? 'OK' : word === 'pttl' ? -1 : reply(call.argv), source);
    return true;
  };
  const sendAll = (calls: readonly Call[]): boolean => calls.every(send);
  return { address, protocol: 3, state: 'up', load: 0, send, sendAsking: send, sendAll } as unknown as CommandSender &
    ReconnectingConnection;
}

function cacheOver(reply: (argv: readonly Argument[]) => unknown): NearCache {
  const lane = laneOf(reply);
  const map = SlotMap.of([{ start: 0, end: 16383, master: address, replicas: [] }]);
  const dispatcher = { refused: () => false, lost: () => {}, now: () => 1 } as unknown as Dispatcher;
  const submit = (request: RoutableRequest): void => void request.sendOn(lane, false);
  const connection = (): ReconnectingConnection => lane;
  const host = { dispatcher, submit, map: () => map, readsFromReplicas: false, connection, silenceTimeout: 0 };
  const cache = new NearCache({ ttl: 86_400_000 }, host, new RealWorld());
  cache.nodeState(lane, 'up');
  return cache;
}

function hitCase(name: string, command: string, reply: () => unknown, words: readonly string[] = []): MicroCase {
  const cache = cacheOver(reply);
  const keys = Array.from({ length: 1000 }, (_, at) => `user:${10_000 + at}:profile`);
  let answered = 0;
  const world = new RealWorld();
  const settled = (): void => {
    answered++;
  };
  const run = (): number => {
    const moment = { at: world.now() };
    for (const key of keys) {
      const call = new Call([command, key, ...words], slotOf(key), CallFlag.readOnly, 'utf8', undefined, cacheSink);
      call.moment = moment;
      call.resolve = settled;
      if (!cache.handle(call)) throw new Error(`${name}: not handled`);
    }
    return answered;
  };
  return {
    name,
    operations: keys.length,
    bytes: 0,
    run,
    check() {
      const { hits } = cache.stats;
      run();
      const before = cache.stats.hits;
      run();
      if (cache.stats.hits - before !== keys.length || before < hits) throw new Error(`${name}: not from memory`);
    },
  };
}

const cacheSink = { onReply: () => {}, onLost: () => {} };

export const cacheCases = (): MicroCase[] => [
  hitCase('hit: call, slot, text of 20', 'get', () => 'x'.repeat(20)),
  hitCase('hit: call, slot, text of 10 KB', 'get', () => 'x'.repeat(10_000)),
  hitCase('hit: call, slot, list of 10 copied', 'lrange', () => Array.from({ length: 10 }, (_, at) => `item ${at}`), [
    '0',
    '-1',
  ]),
];
