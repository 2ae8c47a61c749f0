// Growth of what happens in this process alone: slot maps, timers, calls to be retried, the near cache.

import { ManualWorld } from '../../lib/base/world.ts';
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
import { RetryQueue } from '../../lib/router/retry-queue.ts';
import { SlotMap } from '../../lib/topology/slot-map.ts';
import { viewOfNodes, viewOfSlots } from '../../lib/topology/view.ts';
import { combine, merge } from '../../lib/topology/vote.ts';
import { parseNodes } from '../../lib/wire/cluster-nodes.ts';
import { slotOf } from '../../lib/wire/slot.ts';
import { type GrowthCase, type Run, thousands, timed } from './case.ts';

const slots = 16384;
const idOf = (index: number): string => String(index).padStart(40, '0');
const addressOf = (index: number): string => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:6379`;
const hostOf = (index: number): string => addressOf(index).split(':')[0]!;

/** CLUSTER SLOTS and CLUSTER NODES of masters with a replica each, whose slots are spread over `ranges`. */
function cluster(masters: number, ranges: number): { readonly reply: unknown; readonly text: string } {
  const words: string[][] = Array.from({ length: masters }, () => []);
  const reply = Array.from({ length: ranges }, (_, at) => {
    const owner = at % masters;
    const start = Math.floor((at * slots) / ranges);
    const end = Math.floor(((at + 1) * slots) / ranges) - 1;
    words[owner]!.push(start === end ? String(start) : `${start}-${end}`);
    const node = (index: number): unknown[] => [hostOf(index), 6379, idOf(index), []];
    return [start, end, node(owner), node(owner + masters)];
  });
  const lines = words.flatMap((ofNode, index) => [
    `${idOf(index)} ${addressOf(index)}@1 master - 0 0 ${index + 1} connected ${ofNode.join(' ')}`,
    `${idOf(index + masters)} ${addressOf(index + masters)}@1 slave ${idOf(index)} 0 0 ${index + 1} connected`,
  ]);
  return { reply, text: lines.join('\n') };
}

function refresh(masters: number, ranges: number): () => number {
  const { reply, text } = cluster(masters, ranges);
  const held = SlotMap.empty;
  return () => {
    const view = viewOfSlots(reply, parseNodes(text), addressOf(0), undefined);
    const secondary = viewOfNodes(text, addressOf(1), undefined);
    const map = merge(held, combine(view, [secondary, secondary]));
    if (map.covered !== slots) throw new Error('slots are missing');
    return map.sameAs(held) ? 0 : map.addresses().size;
  };
}

const source: ReplySource = { address: addressOf(0) };

/** A near cache over a node that answers when it is asked to. */
function cacheScene(): { cache: NearCache; answer: () => void } {
  const waiting: Call[] = [];
  const send = (call: Call): boolean => {
    if (call.argv[0] === 'client') call.sink.onReply(call, 'OK', source);
    else waiting.push(call);
    return true;
  };
  const sendAll = (calls: readonly Call[]): boolean => calls.every(send);
  const lane = {
    address: source.address,
    protocol: 3,
    state: 'up',
    load: 0,
    send,
    sendAsking: send,
    sendAll,
  } as unknown as CommandSender & ReconnectingConnection;
  const map = SlotMap.of([{ start: 0, end: slots - 1, master: source.address, replicas: [] }]);
  const dispatcher = { refused: () => false, lost: () => {} } as unknown as Dispatcher;
  const submit = (request: RoutableRequest): void => void request.sendOn(lane, false);
  const host = {
    dispatcher,
    submit,
    map: () => map,
    readsFromReplicas: false,
    connection: () => lane,
    silenceTimeout: 0,
  };
  const cache = new NearCache({ maxEntries: 1_000_000, maxBytes: 2 ** 30 }, host, new ManualWorld());
  cache.nodeState(lane, 'up');
  const answer = (): void => {
    for (const call of waiting.splice(0)) call.sink.onReply(call, call.argv[0] === 'pttl' ? -1 : 'value', source);
  };
  return { cache, answer };
}

function callOf(dispatcher: undefined, flags: number, ...argv: string[]): Call {
  return new Call(argv, slotOf(argv[1]!), flags, 'utf8', undefined, dispatcher as never);
}

export function roomCases(): GrowthCase[] {
  return [
    {
      name: 'map read from n ranges',
      sizes: [160, 1600, slots],
      run: (size) => perRound(refresh(3, size), Math.ceil(slots / size)),
    },
    {
      name: 'map read from n masters',
      sizes: [80, 800, 8000],
      run: (size) => timed(repeated(refresh(size, slots), 4)),
    },
    {
      name: 'n slots moved one by one, 1,000 masters',
      sizes: [160, 1600, slots],
      run: (size) => {
        const map = SlotMap.of(
          Array.from({ length: 1000 }, (_, index) => ({
            start: Math.floor((index * slots) / 1000),
            end: Math.floor(((index + 1) * slots) / 1000) - 1,
            master: addressOf(index),
            replicas: [],
          })),
        );
        const moves = Array.from({ length: size }, (_, slot) => [slot, addressOf((slot * 7) % 1000)] as const);
        const rounds = Math.ceil(slots / size);
        return perRound(() => map.withMoves(moves).shards.length, rounds);
      },
    },
    {
      name: 'near cache: n keys read, changed, read',
      sizes: thousands,
      run: (size) => {
        const { cache, answer } = cacheScene();
        return timed(() => {
          for (const round of [0, 1]) {
            for (let at = 0; at < size; at++) {
              cache.handle(callOf(undefined, CallFlag.readOnly, 'get', `key:${at}`));
              // A few under way at a time: what is kept grows, and nothing else.
              if (at % 1000 === 999) answer();
            }
            if (round === 0)
              for (let at = 0; at < size; at++) cache.handle(callOf(undefined, 0, 'set', `key:${at}`, 'v'));
          }
          if (cache.stats.entries !== size) throw new Error('entries are missing');
        });
      },
    },
    {
      name: 'near cache: n fields of one key read while it changes',
      sizes: thousands,
      run: (size) => {
        const { cache, answer } = cacheScene();
        return timed(() => {
          for (let at = 0; at < size; at++) {
            cache.handle(callOf(undefined, CallFlag.readOnly, 'hget', 'key', `field:${at}`));
            cache.handle(callOf(undefined, 0, 'hset', 'key', `field:${at}`, 'v'));
          }
          answer();
        });
      },
    },
    {
      name: 'calls to be retried at n different times',
      sizes: thousands,
      run: (size) => {
        const world = new ManualWorld();
        let released = 0;
        const retries = new RetryQueue<{ readonly bytes: number }>(
          world,
          () => released++,
          () => 0,
        );
        return timed(() => {
          for (let at = 0; at < size; at++) retries.add({ bytes: 10 }, 1 + Math.floor(at / 100) + ((at * 7919) % 100));
          world.forward(size / 100 + 200);
          if (released !== size) throw new Error('calls are missing');
        });
      },
    },
  ];
}

function repeated(act: () => unknown, times: number): () => void {
  return () => {
    for (let at = 0; at < times; at++) act();
  };
}

/** Small sizes are repeated, so that they take a while too. */
async function perRound(act: () => unknown, rounds: number): Promise<Run> {
  const { ms, cpu } = await timed(repeated(act, rounds));
  return { ms: ms / rounds, cpu: cpu / rounds };
}
