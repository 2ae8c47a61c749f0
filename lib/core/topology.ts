// Keeps the router's slot map true: asks when the refresher says so, believes what most nodes say, and publishes what
// changed. Owns the refresher and the rounds; the map itself is the router's.

import { RedisError } from '../base/errors.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import { databaseRefusal } from '../options/database.ts';
import { refreshPeriodOf } from '../options/derive.ts';
import { TopologySources } from '../router/topology-sources.ts';
import { lossOf } from '../router/verdict.ts';
import { fetchTopology } from '../topology/fetch-topology.ts';
import { Refresher } from '../topology/refresher.ts';
import type { SlotMap } from '../topology/slot-map.ts';
import { merge } from '../topology/vote.ts';
import type { LeftOut } from '../wire/left-out.ts';
import type { SharedCore } from './cluster-client.ts';
import type { ConnectLoop, Phase } from './connect-loop.ts';
import { type RefreshMessage, refreshChannel } from './diagnostics.ts';

export class Topology {
  readonly refresher: Refresher;
  readonly #core: SharedCore;
  readonly #loop: ConnectLoop;
  readonly #source: TopologySources;
  /** Nodes whose cluster is down (perhaps only on their side of a cut): others are asked first at the next attempt. */
  readonly #saidDown = new Set<string>();
  /** CLUSTER INFO of the nodes that were asked for the first map, in the same write; undefined while none is wanted. */
  #states: Map<string, Promise<unknown>> | undefined;
  /** What the last round left out of the replies it was given, and why. */
  #leftOut: readonly string[] | undefined;

  constructor(core: SharedCore, loop: ConnectLoop) {
    this.#core = core;
    this.#loop = loop;
    this.#source = this.#makeSource();
    this.refresher = this.#makeRefresher();
  }

  /** One question to one node; rejects with its refusal, its loss, or "timeout". */
  ask(connection: ReconnectingConnection, argv: readonly string[]): Promise<unknown> {
    return this.#source.ask(connection, argv);
  }

  /**
   * The first map of an attempt to connect, and with `state` what checkState() will ask. Calls do not wait for a database
   * that no node has.
   */
  async fetchFirst(state: boolean): Promise<void> {
    this.#states = state ? new Map() : undefined;
    try {
      await this.refresher.refresh('connect');
    } catch (error) {
      const refusal = databaseRefusal(error);
      if (refusal === undefined) throw error;
      this.#core.lifecycle.failHeld((request) => lossOf(request, refusal));
      throw refusal;
    }
  }

  // A map that another client holds is as good as one fetched: where it is stale, redirects correct it.
  /**
   * Puts an inherited map in use when a node of it answers; gives that node's CLUSTER INFO, or undefined when none did.
   * `phase`: of the attempt, which may be over by then.
   */
  async inherit(map: SlotMap, phase: Phase): Promise<string | undefined> {
    const { world, pool } = this.#core;
    const { shards } = map;
    const address = shards[Math.floor(world.random() * shards.length)]?.master;
    if (address === undefined) return undefined;
    const info = await this.ask(pool.open(address).connection, ['cluster', 'INFO']).catch(() => undefined);
    if (typeof info !== 'string') return undefined;
    if (!phase.over) this.#publish(map);
    return info;
  }

  /** CLUSTER INFO of any node, or what one has `said` just now: throws when it says that the cluster is down. */
  async checkState(said: string | undefined): Promise<void> {
    const up = [...this.#core.pool.all()].map((node) => node.connection).filter((one) => one.state === 'up');
    const connection = up.find(({ address }) => !this.#saidDown.has(address)) ?? up[0];
    if (connection === undefined) return;
    const known = this.#states?.get(connection.address);
    this.#states = undefined;
    const info = said ?? (await (known ?? this.ask(connection, ['cluster', 'INFO'])).catch(() => undefined));
    if (typeof info === 'string' && /cluster_state:fail/.test(info)) {
      this.#saidDown.add(connection.address);
      throw new RedisError('CLUSTERDOWN The cluster is down', { code: 'CLUSTERDOWN', node: connection.address });
    }
  }

  /** The client is ready: whom it asks is judged anew. */
  connected(): void {
    this.#saidDown.clear();
  }

  get #isOver(): boolean {
    const { status } = this.#core.lifecycle;
    return status === 'end' || status === 'disconnecting';
  }

  #makeSource(): TopologySources {
    const { options, world, pool, startup } = this.#core;
    return new TopologySources(pool, world, {
      seeds: () => startup.seeds,
      last: (key) => this.#saidDown.has(key),
      natMap: options.natMap,
      guard: startup.guard,
      timeout: options.slotsRefreshTimeout ?? 1000,
      isOver: () => this.#isOver,
      tls: () => startup.tls,
      onAsked: (connection) => this.#askState(connection),
      onLeftOut: ({ list }: LeftOut) => {
        this.#leftOut = list;
      },
      onRefused: (error, key) => {
        if (!this.#isOver) this.#core.onNodeError(error, key);
      },
    });
  }

  // A node that is asked for its map twice has been lost in between.
  #askState(connection: ReconnectingConnection): void {
    if (this.#states === undefined) return;
    const answer = this.ask(connection, ['cluster', 'INFO']);
    answer.catch(() => undefined);
    this.#states.set(connection.address, answer);
  }

  #makeRefresher(): Refresher {
    return new Refresher(
      {
        ask: () => {
          this.#leftOut = undefined;
          return this.#fetchTopology();
        },
        publish: (seen, reason) => {
          const changed = this.#publish(seen);
          if (refreshChannel.hasSubscribers) this.#report({ reason, changed, error: undefined });
          return changed;
        },
        onFailure: (error, reason) => {
          if (refreshChannel.hasSubscribers) this.#report({ reason, changed: false, error });
          this.#core.onRefreshFailed(error);
        },
        period: refreshPeriodOf(this.#core.options),
      },
      this.#core.world,
    );
  }

  #report(message: RefreshMessage): void {
    const leftOut = this.#leftOut;
    refreshChannel.publish(leftOut === undefined ? message : { ...message, leftOut });
  }

  // A round that disconnect() broke off may be shared by the connect() that came after it: it asks again.
  async #fetchTopology(): Promise<SlotMap> {
    const { lifecycle, world } = this.#core;
    const loop = this.#loop;
    for (;;) {
      const { phase } = loop;
      try {
        return await fetchTopology(this.#source.targets(), world);
      } catch (error) {
        if (!phase.over || lifecycle.status !== 'connecting') throw error;
      }
    }
  }

  #publish(seen: SlotMap): boolean {
    const { router, pool } = this.#core;
    const map = merge(router.map, seen);
    const changed = !map.sameAs(router.map);
    if (changed) router.setMap(map);
    else {
      router.adopt(map);
      // After a disconnect the pool is empty although the map is still the same.
      pool.reconcile(map.addresses(), map.facts.failed);
    }
    this.#core.onMap(map, changed);
    return changed;
  }
}
