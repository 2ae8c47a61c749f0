// Keyspace notifications: changes of keys, published as `notify-keyspace-events` selects them.
// Owns nothing. Does not know commands: the keyspace reports what happened to a key, by kind and name.
// Invariant: while nothing is selected the keyspace has no listener, and reporting costs nothing.

import type { Config } from '../config/config.ts';
import type { Databases } from '../keyspace/databases.ts';
import type { PubSubHub } from './pubsub-hub.ts';

/** `A` stands for these kinds. */
const allKinds = 'g$lshzxetd';

/** Publishes from now on what the parameter selects, whenever it changes. */
export function publishKeyspaceEvents(config: Config, databases: Databases, pubsub: PubSubHub): void {
  const read = (): void => {
    const selected = config.get('notify-keyspace-events').replace('A', allKinds);
    if (!/[KE]/.test(selected) || !/[^KE]/.test(selected)) {
      databases.onEvent = undefined;
      return;
    }
    databases.onEvent = (db, kind, event, key) => {
      if (!selected.includes(kind)) return;
      if (selected.includes('K')) pubsub.publish(`__keyspace@${db}__:${key}`, event);
      if (selected.includes('E')) pubsub.publish(`__keyevent@${db}__:${event}`, key);
    };
  };
  config.onChange((name) => {
    if (name === 'notify-keyspace-events') read();
  });
  read();
}
