// Several cluster members on the loopback bus in one manual world: a cluster without sockets, stores or real time.
import { ManualWorld } from '../../../../lib/base/world.ts';
import type { ReplyError } from '../../../../lib/wire/reply.ts';
import { openLoopbackBus } from '../../../../server/bus/loopback.ts';
import { type ClusterNode, type ClusterState, newState, type Outcome } from '../../../../server/cluster/state.ts';
import { Freezer } from '../../../../server/faults/freezer.ts';
import { ClusterMember } from '../../../../server/membership/membership.ts';

let nextPort = 41_000;

export interface Played {
  readonly member: ClusterMember;
  readonly port: number;
  readonly calls: string[];
  readonly keys: Map<number, number>;
  offset: number;
  paused: boolean;
  readonly freezer: Freezer;
}

export class PlayedCluster {
  readonly world = new ManualWorld({ seed: 7 });
  readonly nodes: Played[] = [];

  add(id: string, port: number = nextPort++): Played {
    const calls: string[] = [];
    const keys = new Map<number, number>();
    const freezer = new Freezer(this.world);
    const data = {
      keysInSlot: (slot: number) => keys.get(slot) ?? 0,
      has: () => false,
      get offset() {
        return played.offset;
      },
      masterLinked: true,
      follow: (master: ClusterNode) => calls.push(`follow ${master.id[0]}`),
      promote: () => calls.push('promote'),
      flush: () => calls.push('flush'),
      dropKeys: (slots: readonly number[]) => calls.push(`drop ${slots.join(',')}`),
      pauseWrites: (paused: boolean) => {
        played.paused = paused;
      },
      onPublish: (kind: string, channel: string, message: string) => calls.push(`${kind} ${channel} ${message}`),
      onRoutesChanged: () => undefined,
      onSlotsLeft: () => undefined,
      save: () => undefined,
    };
    const state = newState(id.repeat(40), { host: '', port, cport: port + 10_000 });
    const member = new ClusterMember(freezer.world, data, state, {
      nodeTimeout: 2000,
      requireFullCoverage: true,
      allowReadsWhenDown: false,
      allowPubSubShardWhenDown: true,
      allowReplicaMigration: true,
      endpointType: 'ip',
    });
    const played: Played = { member, port, calls, keys, offset: 1, paused: false, freezer };
    member.start(freezer.bus(openLoopbackBus), '127.0.0.1');
    this.nodes.push(played);
    return played;
  }

  /** Lets `ms` pass, in steps that give the bus its turns. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left >= 0; left -= 10) {
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
      this.world.forward(10);
    }
  }

  close(): void {
    for (const node of this.nodes) node.member.close();
  }
}

export function apply(member: ClusterMember, rule: (state: ClusterState) => Outcome): void {
  const outcome = rule(member.state);
  if (outcome instanceof Error) throw outcome as ReplyError;
  member.apply(outcome);
}
