// The steps of a scenario: what happens to a cluster, one thing after the other.
// Owns nothing; which node is meant may be left to chance, or to what is the case when the step's turn has come.

import type { FailoverMode } from './backend.ts';
import type { CallQuery, LinkEnd, TestCluster, TestNodeReference } from './cluster.ts';
import type { InterceptAction } from './intercepts.ts';
import type { LinkShape } from './link-shape.ts';
import type { TestNode } from './test-node.ts';

/** What a step has to work with. */
export interface Stage {
  readonly cluster: TestCluster;
  /** 0 <= n < 1, by the seed of the scenario. */
  random(): number;
  /** The node that the last kill(), freeze(), failover() or addNode() was about. */
  last: TestNode | undefined;
  /** Writes that were acknowledged may be lost from here on: a master died, or was cut off. */
  crashed: boolean;
  /** Milliseconds of the machine's clock, whatever has become of the timers. */
  pause(ms: number): Promise<void>;
}

/** One step; `run()` may give what it has chosen or done, for the report. */
export interface Step {
  readonly name: string;
  run(stage: Stage): Promise<string | void> | string | void;
}

/** A node, or how it is found when the step's turn has come. */
export type NodeChoice = TestNodeReference | ((stage: Stage) => Promise<TestNode> | TestNode);

/** A master that serves slots and runs, by chance. */
export function anyMaster(): NodeChoice {
  return async (stage) => pick(stage, await alive(await stage.cluster.masters()), 'master');
}

/** A replica that runs, by chance. */
export function anyReplica(): NodeChoice {
  return async (stage) => pick(stage, await alive(await stage.cluster.replicas()), 'replica');
}

/** The master that serves a slot (a number) or a key (text) by then. */
export function ownerOf(slotOrKey: number | string): NodeChoice {
  return ({ cluster }) => cluster.ownerOf(slotOrKey);
}

/** The node that the last kill(), freeze(), failover() or addNode() of this scenario was about. */
export function lastNode(): NodeChoice {
  return ({ last }) => {
    if (last === undefined) throw new Error('lastNode: no step before was about a node');
    return last;
  };
}

function alive(nodes: readonly TestNode[]): TestNode[] {
  return nodes.filter(({ running, frozen }) => running && !frozen);
}

function pick(stage: Stage, nodes: readonly TestNode[], what: string): TestNode {
  const node = nodes[Math.floor(stage.random() * nodes.length)];
  if (node === undefined) throw new Error(`there is no ${what} that runs`);
  return node;
}

async function chosen(stage: Stage, choice: NodeChoice): Promise<TestNode> {
  return typeof choice === 'function' ? choice(stage) : stage.cluster.node(choice);
}

function addressText({ host, port }: TestNode): string {
  return `${host}:${port}`;
}

/** Any step of your own. */
export function step(name: string, run: Step['run']): Step {
  return { name, run };
}

/** Lets `ms` of the machine's time pass. */
export function wait(ms: number): Step {
  return { name: `wait ${ms} ms`, run: (stage) => stage.pause(ms) };
}

/** Moves a slot (a number) or that of a key (text) to a master; left out, to another one by chance. */
export function move(slotOrKey: number | string, to?: NodeChoice): Step {
  return {
    name: `move ${slotOrKey}`,
    run: async (stage) => {
      const { cluster } = stage;
      const owner = await cluster.ownerOf(slotOrKey);
      const others = async (): Promise<TestNode> =>
        pick(
          stage,
          alive(await cluster.masters()).filter((node) => node !== owner),
          'other master',
        );
      const target = to === undefined ? await others() : await chosen(stage, to);
      const keys = await cluster.moveSlot(slotOrKey, target);
      return `${addressText(owner)} -> ${addressText(target)}, ${keys} keys`;
    },
  };
}

/** Kills a node; left out, a master by chance. */
export function kill(node: NodeChoice = anyMaster()): Step {
  return about('kill', node, async (stage, victim) => {
    stage.crashed = true;
    await victim.kill();
  });
}

/** Starts a node again, killing it first if it runs; left out, the last one that was killed. */
export function restart(node: NodeChoice = lastNode()): Step {
  return about('restart', node, async (stage, victim) => {
    stage.crashed ||= victim.running;
    await victim.restart();
  });
}

/** Freezes a node, as SIGSTOP does; left out, a master by chance. With `ms` it goes on after that time, and so do the steps. */
export function freeze(node: NodeChoice = anyMaster(), ms?: number): Step {
  return about('freeze', node, async (stage, victim) => {
    stage.crashed = true;
    victim.freeze();
    if (ms === undefined) return;
    await stage.pause(ms);
    victim.unfreeze();
  });
}

/** Lets a node go on; left out, the last one that was frozen. */
export function unfreeze(node: NodeChoice = lastNode()): Step {
  return about('unfreeze', node, (_stage, victim) => victim.unfreeze());
}

/** Makes a replica master: that of the node, or the node itself when it is one; left out, of a master by chance. */
export function failover(node: NodeChoice = anyMaster(), mode: FailoverMode = 'agreed'): Step {
  return about(mode === 'agreed' ? 'failover' : `failover ${mode}`, node, async (stage, named) => {
    stage.crashed ||= mode !== 'agreed';
    return `new master ${addressText(await stage.cluster.failover(named, mode))}`;
  });
}

/** Adds a node: a replica of `replicaOf`, or a master without slots. */
export function addNode(replicaOf?: NodeChoice): Step {
  return {
    name: 'add a node',
    run: async (stage) => {
      const master = replicaOf === undefined ? {} : { replicaOf: await chosen(stage, replicaOf) };
      stage.last = await stage.cluster.addNode(master);
      return addressText(stage.last);
    },
  };
}

/** Takes a node out of the cluster; left out, the last one that was added. */
export function removeNode(node: NodeChoice = lastNode()): Step {
  return about('remove', node, async (stage, victim) => {
    await stage.cluster.removeNode(victim);
    stage.last = undefined;
  });
}

/** As TestCluster.partition(): needs `links: true`. */
export function partition(...groups: readonly (readonly (LinkEnd | NodeChoice)[])[]): Step {
  return {
    name: 'partition',
    run: async (stage) => {
      stage.crashed = true;
      const resolved = await Promise.all(
        groups.map((group) => Promise.all(group.map((end) => (typeof end === 'function' ? chosen(stage, end) : end)))),
      );
      stage.cluster.partition(...resolved);
      return resolved
        .map((group) => group.map((end) => (typeof end === 'object' ? addressText(end) : end)).join(' '))
        .join(' | ');
    },
  };
}

/** As TestCluster.link(): needs `links: true`. */
export function link(one: LinkEnd, other: LinkEnd, shape: LinkShape): Step {
  return {
    name: 'link',
    run: ({ cluster }) => {
      cluster.link(one, other, shape);
      return JSON.stringify(shape);
    },
  };
}

/** As TestCluster.resetLinks(): needs `links: true`. */
export function resetLinks(one: LinkEnd = 'clients', other: LinkEnd = '*'): Step {
  return { name: 'reset links', run: ({ cluster }) => `${cluster.resetLinks(one, other)} connections` };
}

/** As TestCluster.intercept(); the nodes must be in this process. */
export function intercept(query: CallQuery, action: InterceptAction): Step {
  return { name: 'intercept', run: ({ cluster }) => String(cluster.intercept(query, action)) };
}

/** Ends partitions and link shapes, lets frozen nodes go on, starts killed ones, and waits until all agree. */
export function heal(): Step {
  return { name: 'heal', run: ({ cluster }) => healAll(cluster) };
}

export async function healAll(cluster: TestCluster): Promise<void> {
  cluster.heal();
  for (const node of cluster.nodes) if (node.frozen) node.unfreeze();
  for (const node of cluster.nodes) if (!node.running) await node.restart();
  await cluster.settled(60_000);
}

/** Waits until all running nodes agree that all is well. */
export function settled(): Step {
  return { name: 'settled', run: ({ cluster }) => cluster.settled(60_000) };
}

/** Several at the same time; resolves when all are over. */
export function together(...steps: readonly Step[]): Step {
  return {
    name: steps.map(({ name }) => name).join(' & '),
    run: async (stage) => {
      const details = await Promise.all(steps.map((each) => each.run(stage)));
      return details.filter((detail) => detail !== undefined).join('; ');
    },
  };
}

/** The same steps so many times. */
export function times(count: number, ...steps: readonly Step[]): Step {
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`count: ${count} is not an integer above 0`);
  return {
    name: `${count} times: ${steps.map(({ name }) => name).join(', ')}`,
    run: async (stage) => {
      const details: string[] = [];
      for (let round = 0; round < count; round++) {
        for (const each of steps) details.push(`${each.name} ${(await each.run(stage)) ?? ''}`.trim());
      }
      return details.join('; ');
    },
  };
}

/** One of these, by chance. */
export function oneOf(...steps: readonly Step[]): Step {
  return {
    name: `one of: ${steps.map(({ name }) => name).join(', ')}`,
    run: async (stage) => {
      const one = steps[Math.floor(stage.random() * steps.length)];
      if (one === undefined) throw new RangeError('oneOf: at least one step is needed');
      return `${one.name} ${(await one.run(stage)) ?? ''}`.trim();
    },
  };
}

function about(
  name: string,
  choice: NodeChoice,
  run: (stage: Stage, node: TestNode) => Promise<string | void> | void,
): Step {
  return {
    name,
    run: async (stage) => {
      const node = await chosen(stage, choice);
      stage.last = node;
      const detail = await run(stage, node);
      return detail === undefined ? addressText(node) : `${addressText(node)}, ${detail}`;
    },
  };
}
