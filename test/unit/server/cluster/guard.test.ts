import assert from 'node:assert/strict';
import { slotOfBinary } from '../../../../lib/wire/slot.ts';
import { type GuardRequest, type GuardView, guard } from '../../../../server/cluster/guard.ts';
import { type ClusterNode, type ClusterState, newNode, newState } from '../../../../server/cluster/state.ts';

const [self, other, third] = ['a', 'b', 'c'].map((letter) => letter.repeat(40)) as [string, string, string];
const foo = slotOfBinary('foo');

interface Setting {
  owner?: string | undefined;
  migrating?: boolean;
  importing?: boolean;
  here?: string[];
  up?: boolean;
  me?: Partial<ClusterNode>;
  view?: Partial<GuardView>;
}

function viewOf(setting: Setting): GuardView {
  const base = newState(self, { host: '127.0.0.1', port: 7000, cport: 17000 });
  const b = newNode(other, { host: '127.0.0.2', port: 7001, cport: 17001, hostname: 'beta' });
  const c = newNode(third, { host: '127.0.0.3', port: 7002, cport: 17002 });
  const nodes = new Map([...base.nodes, [other, b], [third, c]]);
  nodes.set(self, { ...nodes.get(self)!, ...setting.me });
  const owners = base.owners.with([foo], 'owner' in setting ? setting.owner : self);
  const state: ClusterState = {
    ...base,
    nodes,
    owners,
    migrating: new Map(setting.migrating ? [[foo, other]] : []),
    importing: new Map(setting.importing ? [[foo, other]] : []),
  };
  const here = new Set(setting.here ?? []);
  return {
    state,
    up: setting.up ?? true,
    allowReadsWhenDown: false,
    allowPubSubShardWhenDown: true,
    endpointType: 'ip',
    has: (key) => here.has(key),
    ...setting.view,
  };
}

function requestOf(request: Partial<GuardRequest>): GuardRequest {
  const plain = { write: false, shardChannel: false, migrate: false, asking: false, readonly: false, plain: false };
  return { keys: ['foo'], ...plain, ...request };
}

const replica = { role: 'replica', master: other } as const;
const moved = `MOVED ${foo} 127.0.0.2:7001`;
const ask = `ASK ${foo} 127.0.0.2:7001`;
const tryAgain = 'TRYAGAIN Multiple keys request during rehashing of slot';
const notServed = 'CLUSTERDOWN Hash slot not served';
const down = 'CLUSTERDOWN The cluster is down';
const crossSlot = "CROSSSLOT Keys in request don't hash to the same slot";
const pair = ['foo', '{foo}2'];

const rows: [string, Setting, Partial<GuardRequest>, string | undefined][] = [
  ['own slot', {}, {}, undefined],
  ['no keys, cluster down', { up: false }, { keys: [] }, undefined],
  ['slot elsewhere', { owner: other }, {}, moved],
  ['slot unassigned', { owner: undefined }, {}, notServed],
  ['slot unassigned and cluster down', { owner: undefined, up: false }, {}, notServed],
  ['slot unassigned and keys of several slots', { owner: undefined }, { keys: ['foo', 'bar'] }, notServed],
  ['several slots', {}, { keys: ['foo', 'bar'] }, crossSlot],
  ['several slots, cluster down', { up: false }, { keys: ['foo', 'bar'] }, crossSlot],
  ['one hash tag', {}, { keys: pair }, undefined],
  ['cluster down', { up: false }, {}, down],
  ['cluster down, slot elsewhere', { up: false, owner: other }, {}, down],
  ['cluster down, reads allowed, read', { up: false, view: { allowReadsWhenDown: true } }, {}, undefined],
  [
    'cluster down, reads allowed, write',
    { up: false, view: { allowReadsWhenDown: true } },
    { write: true },
    `${down} and only accepts read commands`,
  ],
  ['cluster down, shard channel', { up: false }, { shardChannel: true }, undefined],
  [
    'cluster down, shard channels not allowed',
    { up: false, view: { allowPubSubShardWhenDown: false } },
    { shardChannel: true },
    down,
  ],
  ['migrating, key here', { migrating: true, here: ['foo'] }, {}, undefined],
  ['migrating, key gone', { migrating: true }, {}, ask],
  ['migrating, all of two gone', { migrating: true }, { keys: pair }, ask],
  ['migrating, one of two gone', { migrating: true, here: ['foo'] }, { keys: pair }, tryAgain],
  ['migrating, two here', { migrating: true, here: pair }, { keys: pair }, undefined],
  ['migrating, MIGRATE of a key gone', { migrating: true }, { migrate: true, write: true }, undefined],
  ['migrating, ASKING for a key gone', { migrating: true }, { asking: true }, ask],
  ['migrating, shard channel', { migrating: true }, { shardChannel: true }, undefined],
  ['importing without ASKING', { owner: other, importing: true, here: ['foo'] }, {}, moved],
  ['importing with ASKING, key missing', { owner: other, importing: true }, { asking: true }, undefined],
  [
    'importing with ASKING, same key twice',
    { owner: other, importing: true },
    { asking: true, keys: ['foo', 'foo'] },
    undefined,
  ],
  [
    'importing with ASKING, one of two missing',
    { owner: other, importing: true, here: ['foo'] },
    { asking: true, keys: pair },
    tryAgain,
  ],
  [
    'importing with ASKING, two here',
    { owner: other, importing: true, here: pair },
    { asking: true, keys: pair },
    undefined,
  ],
  ['importing, MIGRATE', { owner: other, importing: true }, { migrate: true }, undefined],
  ['ASKING without import', { owner: other }, { asking: true }, moved],
  ['replica, plain session', { owner: other, me: replica }, {}, moved],
  ['replica, READONLY read', { owner: other, me: replica }, { readonly: true }, undefined],
  ['replica, READONLY write', { owner: other, me: replica }, { readonly: true, write: true }, moved],
  [
    'replica, READONLY read of another shard',
    { owner: third, me: replica },
    { readonly: true },
    `MOVED ${foo} 127.0.0.3:7002`,
  ],
  ['replica, shard channel', { owner: other, me: replica }, { shardChannel: true }, undefined],
  ['master, READONLY read of another slot', { owner: other }, { readonly: true }, moved],
  ['preferred hostname', { owner: other, view: { endpointType: 'hostname' } }, {}, `MOVED ${foo} beta:7001`],
  ['hostname not known', { owner: third, view: { endpointType: 'hostname' } }, {}, `MOVED ${foo} ?:7002`],
  ['unknown endpoint', { owner: other, view: { endpointType: 'unknown-endpoint' } }, {}, `MOVED ${foo} :7001`],
];

describe('the guard of a cluster node', () => {
  for (const [name, setting, request, verdict] of rows) {
    it(`${name}: ${verdict?.split(' ')[0] ?? 'served'}`, () => {
      assert.equal(guard(viewOf(setting), requestOf(request))?.message, verdict);
    });
  }
});
