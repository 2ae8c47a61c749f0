// What the parts of a cluster client share: one object, the client's core, instead of what each would be handed.
// Contracts only; ClusterCore implements them.

import type { ClusterAllFailedError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { ClusterOptions } from '../options/options.ts';
import type { ClusterSubscriber } from '../pubsub/cluster-subscriber.ts';
import type { NodePool } from '../router/node-pool.ts';
import type { Router } from '../router/router.ts';
import type { SlotMap } from '../topology/slot-map.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { StartupNodes } from './startup-nodes.ts';

export interface SharedCore {
  readonly options: ClusterOptions;
  readonly world: World;
  readonly lifecycle: Lifecycle;
  readonly pool: NodePool;
  readonly router: Router;
  readonly startup: StartupNodes;
  readonly subscriber: ClusterSubscriber;
  /** The map of a topology fetch is in use: another than before, or the same. */
  onMap(map: SlotMap, changed: boolean): void;
  /** A node can be reached and refuses what a client needs: its map, its fieldsets. */
  onNodeError(error: Error, key: string): void;
  /** No node gave a map. */
  onRefreshFailed(error: ClusterAllFailedError): void;
  quit(): Promise<'OK'>;
}
