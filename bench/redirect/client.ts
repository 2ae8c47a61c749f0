// Child process of the redirect suite: one client, which does as the parent says. Wrong values are errors at once;
// refused commands are counted and asked again, as a careful user would.

import { setTimeout as pause } from 'node:timers/promises';
import { serve } from '../cluster/child.ts';
import { openPeer } from '../peers/open.ts';
import type { Answers, Peer } from '../peers/peer.ts';
import { type BatchAnswer, crossesSlots, type LoadRequest, type OpenRequest, type ReadAnswer } from './contract.ts';
import { batchSize, planKeys } from './keys.ts';
import { Load, type LoadFigures } from './load.ts';

const plan = planKeys();
const mostTries = 100;
const mostPasses = 50;
let setting: OpenRequest | undefined;
let peer: Peer | undefined;
let load: Load | undefined;

serve({
  async open(request: OpenRequest): Promise<void> {
    setting = request;
    peer = await openPeer(request.client, request.nodes);
  },
  /** A second client in this process, up to its first answer; milliseconds. Its code is loaded already. */
  async cold(): Promise<number> {
    const start = performance.now();
    const fresh = await openPeer(setting!.client, setting!.nodes);
    check(0, await fresh.get(plan.keys[0]!));
    const ms = performance.now() - start;
    await fresh.close();
    return ms;
  },
  async read(indexes: readonly number[]): Promise<ReadAnswer> {
    const ms: number[] = [];
    let errors = 0;
    for (const index of indexes) {
      const start = performance.now();
      errors += await readUntilRight(index);
      ms.push(performance.now() - start);
    }
    return { ms, errors };
  },
  async batch(): Promise<BatchAnswer> {
    const keys = plan.batch.map((index) => plan.keys[index]!);
    const start = performance.now();
    const answers: Answers = crossesSlots.has(setting!.client) ? await peer!.getMany(keys) : await burst(keys);
    let errors = 0;
    for (let at = 0; at < keys.length; at++) {
      const answer = answers.at(at);
      if (answer instanceof Error) errors += 1 + (await readUntilRight(plan.batch[at]!));
      else check(plan.batch[at]!, answer);
    }
    return { ms: performance.now() - start, errors };
  },
  /** Reads all keys until one whole pass goes without an error, two passes at least. */
  async settle(): Promise<void> {
    for (let pass = 0, clean = 0; clean < 2 && pass < mostPasses; pass++) {
      const errors = await readAll();
      clean = errors === 0 ? clean + 1 : 0;
      if (errors > 0) await pause(100);
    }
  },
  startLoad({ width, slots: [first, last] }: LoadRequest): void {
    const chosen = [...plan.inSlot].filter(([slot]) => slot >= first && slot <= last);
    const indexes = chosen.flatMap(([, positions]) => positions).sort((one, other) => one - other);
    load = new Load(peer!, plan, indexes, width);
  },
  mark: (): LoadFigures => load!.mark(),
  async stopLoad(): Promise<void> {
    await load!.stop();
    load = undefined;
  },
  close: (): Promise<void> => peer!.close(),
});

async function readAll(): Promise<number> {
  let errors = 0;
  for (let at = 0; at < plan.keys.length; at += batchSize) {
    const answers = await burst(plan.keys.slice(at, at + batchSize));
    answers.forEach((answer, offset) => {
      if (answer instanceof Error) errors++;
      else check(at + offset, answer);
    });
  }
  return errors;
}

async function burst(keys: readonly string[]): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(keys.map((key) => peer!.get(key)));
  return outcomes.map((one) => (one.status === 'fulfilled' ? one.value : one.reason));
}

/** How many tries failed. */
async function readUntilRight(index: number): Promise<number> {
  for (let errors = 0; ; errors++) {
    try {
      check(index, await peer!.get(plan.keys[index]!));
      return errors;
    } catch (error) {
      if (error instanceof WrongValue || errors >= mostTries) throw error;
    }
  }
}

class WrongValue extends Error {}

function check(index: number, value: unknown): void {
  if (value === plan.values[index]) return;
  throw new WrongValue(`wrong value for ${plan.keys[index]}: ${JSON.stringify(value)}`);
}
