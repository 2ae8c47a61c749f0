// What the stream of this node's master works on: the engine's data, the history, and the replicas it is handed on to.
// Owns: the applier. Does not know: sockets and the dialogue, which are MasterLink's.
// Invariant: bytes become part of the history, and reach the replicas of this node, once what they say was applied.

import type { ConnectionOptions } from 'node:tls';
import type { World } from '../../lib/base/world.ts';
import type { TlsConfig } from '../config/tls.ts';
import type { Engine } from '../engine/engine.ts';
import { Applier, startLoading } from './apply.ts';
import type { History } from './history.ts';
import type { Introduction, Loading, StreamTarget } from './master-link.ts';
import type { Primary } from './primary.ts';
import { introduction } from './settings.ts';
import type { SingleFailover } from './single-failover.ts';
import type { Words } from './stream.ts';

export interface StreamOptions {
  readonly history: History;
  /** Where clients reach this node, once it listens. */
  readonly place: { readonly port: number };
  readonly tls: TlsConfig;
}

export class MasterStream implements StreamTarget {
  readonly world: World;
  readonly history: History;
  readonly databases: number;
  readonly applier: Applier;
  /** Called when the first byte of a stream was applied. */
  onFirstByte: () => void = () => undefined;
  readonly #engine: Engine;
  readonly #primary: Primary;
  readonly #failover: SingleFailover;
  readonly #place: { readonly port: number };
  readonly #tls: TlsConfig;

  constructor(engine: Engine, primary: Primary, failover: SingleFailover, options: StreamOptions) {
    this.world = engine.world;
    this.history = options.history;
    this.databases = engine.databases.stores.length;
    this.applier = new Applier(engine);
    this.#engine = engine;
    this.#primary = primary;
    this.#failover = failover;
    this.#place = options.place;
    this.#tls = options.tls;
  }

  get timeoutMs(): number {
    return this.#engine.config.number('repl-timeout') * 1000;
  }

  introduction(): Introduction {
    const { config } = this.#engine;
    const tlsPort = config.flag('tls-replication') ? config.number('tls-port') : 0;
    return introduction(config, tlsPort || this.#place.port);
  }

  tls(): ConnectionOptions | undefined {
    return this.#engine.config.flag('tls-replication') ? this.#tls.forDialling() : undefined;
  }

  load(id: string): Loading {
    return startLoading(this.#engine, id === this.history.id, (facts) => {
      this.applier.select(Number(facts.get('repl-stream-db')));
      this.#engine.persistence?.replaced();
    });
  }

  apply(unit: readonly Words[]): void {
    this.applier.apply(unit);
  }

  mayApply(): boolean {
    return this.#engine.pauses.kind === undefined && this.mayLoad();
  }

  mayLoad(): boolean {
    return this.#engine.busy === undefined;
  }

  onApplied(bytes: Buffer): void {
    const first = this.history.offset === 0;
    this.#primary.relay(bytes);
    if (first) this.onFirstByte();
  }

  onRenamed(): void {
    this.#primary.stepDown();
  }

  get failingOver(): boolean {
    return this.#failover.state === 'failover-in-progress';
  }

  onFailoverAnswer(takesOver: boolean): void {
    this.#failover.onAnswer(takesOver);
  }
}
