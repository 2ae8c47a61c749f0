// What the scan of a whole cluster (scan/cluster-scan) needs of a cluster client: its map, its nodes' connections, its
// refreshes and its end.

import type { EventEmitter } from 'node:events';
import { RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { ownCall } from '../connection/call.ts';
import { waitDeadlineOf } from '../options/derive.ts';
import type { ClusterOptions } from '../options/options.ts';
import type { ScanHost } from '../scan/cluster-scan.ts';
import type { ClusterCore } from './cluster-core.ts';

/** The working parts of a cluster client as a scan needs them. */
export function scanHostOf(core: ClusterCore, emitter: EventEmitter, options: ClusterOptions, world: World): ScanHost {
  const deadline = waitDeadlineOf(options);
  return {
    world,
    natMap: options.natMap,
    guard: core.startup.guard,
    deadline: deadline,
    closed: () => core.lifecycle.status === 'end',
    map: () => core.router.map,
    ready: async () => {
      const { call, answer } = ownCall(['scan']);
      // Held no longer than a call of the user's.
      call.moment = core.router.moment;
      core.lifecycle.whenReady(() => call.settle(undefined), call);
      await answer;
    },
    refresh: () => core.refresher.refresh('manual'),
    ask: (key, argv) => {
      const { connection } = core.pool.open(key);
      const { call, answer } = ownCall(argv, 'buffer');
      if (!connection.send(call)) {
        call.fail(connection.lastError ?? new RedisError('Connection is closed.', { code: 'ERR_CLOSED', node: key }));
        return answer;
      }
      // The connection may be well and this answer never come: what the others wait for is not for a scan to judge.
      const late = world.after(deadline, () => {
        call.fail(new RedisError(`No answer to ${call.name} within ${deadline}ms`, { code: 'ETIMEDOUT', node: key }));
      });
      return answer.finally(() => late.cancel());
    },
    onMap: (act) => watchMap(emitter, act),
  };
}

/** What is run at each change of a client's map: one listener a client, however many scans are under way. */
class MapWatch {
  readonly #emitter: EventEmitter;
  readonly #acts = new Set<() => void>();
  readonly #changed = (): void => {
    for (const act of [...this.#acts]) act();
  };

  constructor(emitter: EventEmitter) {
    this.#emitter = emitter;
  }

  add(act: () => void): () => void {
    if (this.#acts.size === 0) this.#emitter.on('refresh', this.#changed);
    this.#acts.add(act);
    return () => {
      if (this.#acts.delete(act) && this.#acts.size === 0) this.#emitter.off('refresh', this.#changed);
    };
  }
}

const mapWatches = new WeakMap<EventEmitter, MapWatch>();

function watchMap(emitter: EventEmitter, act: () => void): () => void {
  let watch = mapWatches.get(emitter);
  if (watch === undefined) {
    watch = new MapWatch(emitter);
    mapWatches.set(emitter, watch);
  }
  return watch.add(act);
}
