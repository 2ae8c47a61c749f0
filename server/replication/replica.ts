// A replica's side of replication: keeps one link to its master, and dials again whenever it is lost.
// Knows addresses and times; the dialogue is the link's. Invariant: at most one link at any time, and none once stopped.

import type { Timer } from '../../lib/base/world.ts';
import { type LinkOwner, type LinkStage, MasterLink, type StreamTarget } from './master-link.ts';
import type { StreamAddress } from './stream.ts';

const firstRedialMs = 100;
const lastRedialMs = 1000;
const everyMs = 1000;
/** What passes by itself is not worth a line. */
const noNews = /^connect ECONNREFUSED|^the master closed|by hand$|'-(?:NOMASTERLINK|LOADING|MASTERDOWN) /;

export class Replica implements LinkOwner {
  readonly #target: StreamTarget;
  readonly #onLinkChanged: (up: boolean) => void;
  #address: StreamAddress | undefined;
  #link: MasterLink | undefined;
  #redial: Timer | undefined;
  #ticks: Timer | undefined;
  #waitMs = firstRedialMs;
  #up = false;
  #downSince: number;
  #reason = '';

  /** `onLinkChanged` is called when the link came up or went down. */
  constructor(target: StreamTarget, onLinkChanged: (up: boolean) => void) {
    this.#target = target;
    this.#onLinkChanged = onLinkChanged;
    this.#downSince = target.world.now();
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

  /** Sends the master the offset of this node at once. */
  acknowledge(): void {
    this.#link?.acknowledge();
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
    if (this.#address === undefined) return;
    this.#link = new MasterLink(this.#address, this.#target, this);
  }

  onStage(stage: LinkStage): void {
    if (stage !== 'connected') return;
    this.#waitMs = firstRedialMs;
    this.#reason = '';
    this.#setUp(true);
  }

  onClosed(reason: string): void {
    this.#link = undefined;
    if (reason !== this.#reason && !noNews.test(reason)) {
      const { host, port } = this.#address!;
      this.#target.world.log(`replication from ${host}:${port}: ${reason}`);
    }
    this.#reason = reason;
    this.#setUp(false);
    this.#redial = this.#target.world.after(this.#waitMs, () => this.#connect());
    this.#waitMs = Math.min(lastRedialMs, this.#waitMs * 2);
  }

  #tick(): void {
    this.#ticks = this.#target.world.after(everyMs, () => {
      this.#link?.tick();
      if (this.#address !== undefined) this.#tick();
    });
  }

  #setUp(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    if (!up) this.#downSince = this.#target.world.now();
    this.#onLinkChanged(up);
  }
}
