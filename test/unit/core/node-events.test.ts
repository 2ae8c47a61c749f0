// What a cluster client makes of the states of its nodes, with parts that note what they are asked for.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ReconnectingConnection } from '../../../lib/connection/reconnecting-connection.ts';
import type { Status } from '../../../lib/core/lifecycle.ts';
import { NodeEvents, type NodeOwner } from '../../../lib/core/node-events.ts';
import type { PooledNode } from '../../../lib/router/node-pool.ts';

class Stage {
  readonly acts: string[] = [];
  readonly connection = { address: 'a:1' } as unknown as ReconnectingConnection;
  readonly node = { key: 'a:1', connection: this.connection, inMap: true, shown: true } as PooledNode;
  readonly events: NodeEvents;
  readonly lifecycle: { status: Status } = { status: 'ready' };
  needsDrain = false;

  constructor(options: object = {}) {
    const act = (text: string): void => void this.acts.push(text);
    const client = new EventEmitter().on('drain', () => act('drain'));
    const stage = this;
    const core = {
      client,
      options,
      lifecycle: this.lifecycle,
      calls: { cache: undefined, nodeReady: () => act('ready') },
      nodes: {
        onState: () => {},
        show: (node: PooledNode, shown: boolean) => {
          if (node.shown !== shown) act(shown ? '+node' : '-node');
          node.shown = shown;
        },
      },
      pool: {
        get: (key: string) => (key === this.node.key ? this.node : undefined),
        forget: (key: string) => act(`forget ${key}`),
        get needsDrain() {
          return stage.needsDrain;
        },
      },
      reads: { forget: (key: string) => act(`no reads of ${key}`) },
      refresher: { suggest: (reason: string) => act(`suggest ${reason}`), stirred: () => act('stirred') },
      router: {
        retryNow: () => act('retry'),
        forgetConnections: () => act('look up again'),
        latencies: { forget: () => {} },
      },
      onNodeError: (error: Error, key: string) => act(`node error ${key}: ${error.message}`),
    };
    this.events = new NodeEvents(core as unknown as NodeOwner);
  }

  /** What follows when its connection is lost. */
  lose(message: string): string[] {
    this.acts.length = 0;
    this.events.onState(this.connection, 'backoff', new Error(message));
    return [...this.acts];
  }
}

describe('core/node-events', () => {
  it('a node that is lost: its error, a look at the map, and it is shown no more', () => {
    const stage = new Stage();
    assert.deepEqual(stage.lose('ECONNRESET'), ['node error a:1: ECONNRESET', 'suggest outage', '-node']);
    assert.deepEqual(stage.lose('ECONNREFUSED'), ['suggest outage'], 'dialed again in vain: no news');
  });

  it('a server that closes in good order makes no error of a client that is ready', () => {
    const stage = new Stage();
    assert.deepEqual(stage.lose('Connection is closed.'), ['suggest outage', '-node']);
  });

  it('before the client is ready each failure is an error, and while it closes none is', () => {
    const stage = new Stage();
    stage.lifecycle.status = 'connecting';
    assert.deepEqual(stage.lose('Connection is closed.'), ['node error a:1: Connection is closed.', '-node']);
    assert.deepEqual(stage.lose('ECONNREFUSED'), ['node error a:1: ECONNREFUSED']);
    stage.lifecycle.status = 'disconnecting';
    assert.deepEqual(stage.lose('ECONNREFUSED'), []);
  });

  it('with a clusterNodeRetryStrategy a lost node stays shown', () => {
    const stage = new Stage({ clusterNodeRetryStrategy: () => 100 });
    for (const _time of [1, 2])
      assert.deepEqual(stage.lose('ECONNRESET'), ['node error a:1: ECONNRESET', 'suggest outage']);
  });

  it('another connection to its address does not hide a node', () => {
    const stage = new Stage();
    stage.events.onState({ address: 'a:1' } as ReconnectingConnection, 'backoff', undefined);
    assert.deepEqual([stage.acts, stage.node.shown], [[], true]);
  });

  it('a node that comes up: shown again where the map has it, the outage may be over, retries are due', () => {
    for (const inMap of [true, false]) {
      const stage = new Stage();
      stage.lose('ECONNRESET');
      stage.acts.length = 0;
      stage.node.inMap = inMap;
      stage.events.onState(stage.connection, 'up', undefined);
      assert.deepEqual(stage.acts, [...(inMap ? ['+node'] : []), 'stirred', 'retry']);
    }
  });

  it('a connection that has ended leaves the pool, and is looked up again', () => {
    const stage = new Stage();
    stage.events.onState(stage.connection, 'ended', new Error('over'));
    assert.deepEqual(stage.acts, ['forget a:1', 'look up again']);
  });

  it('a node that leaves the map is forgotten by reads, and shown no more', () => {
    const stage = new Stage();
    stage.events.onRemove(stage.node);
    assert.deepEqual(stage.acts, ['no reads of a:1', '-node']);
  });

  it('silence: a look at the map; its end: retries', () => {
    const stage = new Stage();
    stage.events.onSilence(stage.connection, true);
    stage.events.onSilence(stage.connection, false);
    assert.deepEqual(stage.acts, ['suggest outage', 'retry']);
  });

  it('drain is emitted when no socket is behind any more', () => {
    const stage = new Stage();
    stage.needsDrain = true;
    stage.events.onDrain();
    assert.deepEqual(stage.acts, []);
    stage.needsDrain = false;
    stage.events.onDrain();
    assert.deepEqual(stage.acts, ['drain']);
  });
});
