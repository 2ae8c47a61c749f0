// The cluster-* parameters as the membership reads them: always the current values.

import type { World } from '../../lib/base/world.ts';
import type { TcpBusSettings } from '../bus/tcp-bus.ts';
import type { EndpointType } from '../cluster/guard.ts';
import { me, withNode } from '../cluster/state.ts';
import type { Config } from '../config/config.ts';
import type { TlsConfig } from '../config/tls.ts';
import type { ClusterSettings } from './local-cluster.ts';
import type { ClusterMember } from './membership.ts';

export function settingsOf(config: Config): ClusterSettings {
  return {
    get nodeTimeout() {
      return config.number('cluster-node-timeout');
    },
    get requireFullCoverage() {
      return config.flag('cluster-require-full-coverage');
    },
    get allowReadsWhenDown() {
      return config.flag('cluster-allow-reads-when-down');
    },
    get allowPubSubShardWhenDown() {
      return config.flag('cluster-allow-pubsubshard-when-down');
    },
    get allowReplicaMigration() {
      return config.flag('cluster-allow-replica-migration');
    },
    get migrationBarrier() {
      return config.number('cluster-migration-barrier');
    },
    get dataAgeLimit() {
      const factor = config.number('cluster-replica-validity-factor');
      if (factor === 0) return 0;
      const nodeTimeout = config.number('cluster-node-timeout');
      // The time until the failure was noticed is not held against the replica.
      return config.number('repl-ping-replica-period') * 1000 + nodeTimeout * factor + nodeTimeout;
    },
    get endpointType() {
      return config.get('cluster-preferred-endpoint-type') as EndpointType;
    },
    get secure() {
      return config.flag('tls-cluster');
    },
  };
}

/** The same for a bus over TCP, which is bound before the node is a member of anything. */
export function busSettings(
  world: World,
  config: Config,
  tls: TlsConfig,
  member: () => ClusterMember | undefined,
): TcpBusSettings {
  const secure = { dialling: () => tls.forDialling(), accepting: () => tls.forNodes() };
  return {
    world,
    tls: config.flag('tls-cluster') ? secure : undefined,
    get nodeTimeout() {
      return config.number('cluster-node-timeout');
    },
    get source() {
      return config.get('bind-source-addr');
    },
    get sendLimit() {
      return config.number('cluster-link-sendbuf-limit');
    },
    get sender() {
      return { serving: member()?.up === true, announcedHost: config.get('cluster-announce-ip') };
    },
    knows: (id) => member()?.state.nodes.get(id)?.handshake === false,
  };
}

/** As redis has it: with cluster-announce-tls-port, the port without TLS is announced only when it is configured too. */
function announcedPorts(config: Config, bound: BoundPorts): BoundPorts {
  const port = config.number('cluster-announce-port');
  const tlsPort = config.flag('tls-cluster') ? config.number('cluster-announce-tls-port') : 0;
  const cport = config.number('cluster-announce-bus-port') || bound.cport;
  if (tlsPort > 0) return { port: tlsPort, plainPort: port, cport };
  return { port: port || bound.port, plainPort: bound.plainPort, cport };
}

interface BoundPorts {
  readonly port: number;
  readonly plainPort: number;
  readonly cport: number;
}

/** Makes what a node announces of itself follow its parameters. */
export function watchAnnounced(config: Config, member: ClusterMember, bound: () => BoundPorts): void {
  const { host } = me(member.state);
  let announced = '';
  const announce = (): void => {
    // What was announced and is no more is nobody's address; what others have seen stays.
    const detected = announced === '' ? me(member.state).host : '';
    announced = config.get('cluster-announce-ip');
    const change = {
      host: announced || host || detected,
      ...announcedPorts(config, bound()),
      hostname: config.get('cluster-announce-hostname'),
      noFailover: config.flag('cluster-replica-no-failover'),
    };
    const state = withNode(member.state, member.state.myself, change);
    if (state !== member.state) member.apply({ state, effects: [{ kind: 'save' }, { kind: 'announce' }] });
    member.refresh();
  };
  config.onChange((name) => {
    if (name.startsWith('cluster-') || name === 'port' || name === 'tls-port') announce();
  });
  announce();
}
