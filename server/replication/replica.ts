// A replica's side of replication: keeps one link to its master, and dials again whenever it is lost.
// Knows addresses and times; the dialogue is the link's. Invariant: at most one link at any time, and none once stopped.

import type { Timer } from '../../lib/base/world.ts';
import { type LinkHost, type LinkStage, MasterLink } from './master-link.ts';
import type { StreamAddress } from './stream.ts';

export interface ReplicaHost extends Omit<LinkHost, 'onStage' | 'onClosed'> {
  /** The link came up or went down. */
  onLinkChanged(up: boolean): void;
}

const firstRedialMs = 100;
const lastRedialMs = 1000;
const everyMs = 1000;
/** What passes by itself is not worth a line. */
const noNews = /^connect ECONNREFUSED|^the master closed|by hand$|'-(?:NOMASTERLINK|LOADING|MASTERDOWN) /;

export class Replica {
  readonly #host: ReplicaHost;
  #address: StreamAddress | undefined;
  #link: MasterLink | undefined;
  #redial: Timer | undefined;
  #ticks: Timer | undefined;
  #waitMs = firstRedialMs;
  #up = false;
  #downSince: number;
  #held = false;
  #reason = '';

  constructor(host: ReplicaHost) {
    this.#host = host;
    this.#downSince = host.world.now();
  }

  /** Where the stream comes from: up to date, or as far as it was when the link was lost. */
  get linked(): boolean {
    return this.#up;
  }

  /** The master it follows; undefined when it follows none. */
  get address(): StreamAddress | undefined {
    return this.#address;
  }

  get link(): MasterLink | undefined {
    return this.#link;
  }

  /** Where the link stands, `connect` while it waits to dial. */
  get stage(): LinkStage | 'connect' {
    return this.#link?.stage ?? 'connect';
  }

  /** When the link was lost, in ms of the world; undefined while it holds. */
  get downSince(): number | undefined {
    return this.#up ? undefined : this.#downSince;
  }

  follow(address: StreamAddress): void {
    if (this.#address?.host === address.host && this.#address.port === address.port) return;
    this.stop();
    this.#address = address;
    this.#connect();
    this.#tick();
  }

  /** Keeps back what arrives, as a stopped process would. */
  hold(held: boolean): void {
    this.#held = held;
    this.#link?.hold(held);
    if (!held && this.#address !== undefined && this.#link === undefined) this.#connect();
  }

  /** Tells the master at once how far this node is. */
  acknowledge(): void {
    if (!this.#held) this.#link?.acknowledge();
  }

  /** Ends replication; what was applied stays. */
  stop(): void {
    this.#address = undefined;
    this.#redial?.cancel();
    this.#redial = undefined;
    this.#ticks?.cancel();
    this.#ticks = undefined;
    this.#link?.close();
    this.#link = undefined;
    this.#waitMs = firstRedialMs;
    this.#setUp(false);
  }

  #connect(): void {
    this.#redial?.cancel();
    this.#redial = undefined;
    if (this.#address === undefined || this.#held) return;
    const host = this.#host;
    const link: MasterLink = new MasterLink(this.#address, {
      world: host.world,
      history: host.history,
      databases: host.databases,
      get timeoutMs() {
        return host.timeoutMs;
      },
      introduction: () => host.introduction(),
      tls: () => host.tls?.(),
      load: (id) => host.load(id),
      apply: (unit) => host.apply(unit),
      mayApply: () => host.mayApply?.() !== false,
      onApplied: (bytes) => host.onApplied(bytes),
      onRenamed: () => host.onRenamed(),
      get failingOver() {
        return host.failingOver === true;
      },
      onFailoverAnswer: (takesOver) => host.onFailoverAnswer?.(takesOver),
      onStage: () => {
        if (link.stage !== 'connected') return;
        this.#waitMs = firstRedialMs;
        this.#reason = '';
        this.#setUp(true);
      },
      onClosed: (reason) => this.#onClosed(reason),
    });
    this.#link = link;
  }

  #onClosed(reason: string): void {
    this.#link = undefined;
    if (reason !== this.#reason && !noNews.test(reason)) {
      const { host, port } = this.#address!;
      this.#host.world.log(`replication from ${host}:${port}: ${reason}`);
    }
    this.#reason = reason;
    this.#setUp(false);
    this.#redial = this.#host.world.after(this.#waitMs, () => this.#connect());
    this.#waitMs = Math.min(lastRedialMs, this.#waitMs * 2);
  }

  #tick(): void {
    this.#ticks = this.#host.world.after(everyMs, () => {
      if (!this.#held) this.#link?.tick();
      if (this.#address !== undefined) this.#tick();
    });
  }

  #setUp(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    if (!up) this.#downSince = this.#host.world.now();
    this.#host.onLinkChanged(up);
  }
}
