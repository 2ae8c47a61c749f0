// What the tests of a client's life share: a lifecycle that holds nothing and sends nothing, and a turn of the event loop.

import type { EventEmitter } from 'node:events';
import { Backlog } from '../../../lib/base/backlog.ts';
import { Lifecycle } from '../../../lib/core/lifecycle.ts';

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Its status and events are a client's; whatever is submitted goes nowhere. */
export function bareLifecycle(client: EventEmitter): Lifecycle {
  return new Lifecycle(client, {
    offlineQueue: true,
    offlineMessage: '',
    backlog: new Backlog({}),
    send: () => {},
    wake: () => {},
    log: () => {},
  });
}
