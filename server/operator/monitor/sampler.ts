// Takes samples of a cluster, one after the other, and keeps the last two: for stat, top, watch, metrics and dashboard.
// Owns: the last two samples.
// Does not know: what the figures mean (sample.ts, rates.ts, events.ts); changes nothing in the cluster.
// Invariant: at most one sample is being taken, however many ask for one.

import type { Timer } from '../../../lib/base/world.ts';
import type { ClusterLink } from '../link/cluster-link.ts';
import { type ClusterEvent, eventsBetween } from './events.ts';
import { type ClusterRates, ratesBetween } from './rates.ts';
import { type ClusterSample, clusterSample } from './sample.ts';
import { surveyCluster } from './survey.ts';

export interface SampledCluster {
  readonly sample: ClusterSample;
  /** Empty for the first sample. */
  readonly rates: ClusterRates;
  /** What happened since the sample before. */
  readonly events: readonly ClusterEvent[];
}

/** Milliseconds that a node may take to answer before a sample is made without it. */
const answerTimeoutMs = 2000;

/** Samples of one cluster, of any server, with rates and events between them. */
export class ClusterSampler {
  readonly #link: ClusterLink;
  #latest: ClusterSample | undefined;
  #taking: Promise<SampledCluster> | undefined;

  constructor(link: ClusterLink) {
    this.#link = link;
  }

  get latest(): ClusterSample | undefined {
    return this.#latest;
  }

  /** Asks every node now. Rejects when no node of the cluster can be asked. */
  take(): Promise<SampledCluster> {
    this.#taking ??= this.#take().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  /**
   * Takes one sample every `intervalMs` until the signal comes; goes on when one fails, and gives the Error instead.
   * Throws a RangeError for an interval below 100 ms or above a day.
   */
  async *every(intervalMs: number, signal?: AbortSignal): AsyncGenerator<SampledCluster | Error, void> {
    if (!(intervalMs >= 100 && intervalMs <= 86_400_000))
      throw new RangeError(`interval: ${intervalMs} ms is not within 100..86400000`);
    const { world } = this.#link;
    let due = world.now();
    const ended = (): boolean => signal?.aborted === true;
    while (!ended()) {
      const outcome = await this.take().catch((error: Error) => error);
      if (ended()) return;
      yield outcome;
      due = Math.max(due + intervalMs, world.now());
      await this.#wait(due - world.now(), signal);
    }
  }

  async #take(): Promise<SampledCluster> {
    const { world } = this.#link;
    const { view, answers } = await surveyCluster(this.#link, Math.min(answerTimeoutMs, this.#link.timeoutMs));
    const before = this.#latest;
    const sample = clusterSample(view, answers, { at: world.wallClock(), clock: world.now() });
    this.#latest = sample;
    if (before === undefined) return { sample, rates: new Map(), events: [] };
    return { sample, rates: ratesBetween(before, sample), events: eventsBetween(before, sample) };
  }

  #wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const done = (): void => {
        timer?.cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      timer = this.#link.world.after(ms, done, true);
      signal?.addEventListener('abort', done);
    });
  }
}
