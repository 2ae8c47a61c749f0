// `tracking-table-max-keys`: how many keys the server remembers for clients with CLIENT TRACKING.
// Owns the timer that lets keys go in the background; what is let go is invalidated by the tracking table.
// Invariant: with no command to come, the table falls to its limit all the same.

import type { World } from '../../lib/base/world.ts';
import type { Config } from '../config/config.ts';
import type { Tracking } from '../tracking/tracking.ts';
import type { Client } from './client.ts';

/** Between two rounds while no command comes. */
const everyMs = 100;

export function limitTracking(world: World, config: Config, tracking: Tracking<Client>): void {
  const trim = (): void => {
    tracking.enforceLimit();
    if (tracking.aboveLimit) world.after(everyMs, trim);
  };
  const read = (): void => {
    tracking.maxKeys = config.number('tracking-table-max-keys');
    if (tracking.aboveLimit) world.after(everyMs, trim);
  };
  config.onChange((name) => {
    if (name === 'tracking-table-max-keys') read();
  });
  read();
}
