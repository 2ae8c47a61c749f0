import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { adoptKeys, firstState } from '../../../../server/cluster/bootstrap.ts';
import { parseNodesFile, printNodesFile } from '../../../../server/cluster/nodes-conf.ts';
import { parseNodesJson, printNodesJson } from '../../../../server/cluster/nodes-json.ts';
import { SlotTable } from '../../../../server/cluster/slot-table.ts';
import {
  type ClusterState,
  me,
  newNode,
  newState,
  withNode,
  withOpenSlot,
  withOwner,
} from '../../../../server/cluster/state.ts';
import { ClusterFile } from '../../../../server/membership/nodes-file.ts';

const id = (digit: string): string => digit.repeat(40);
const range = (start: number, end: number): number[] => Array.from({ length: end - start + 1 }, (_, at) => start + at);

/** Three masters, one of which took another's place, and a replica, two slots on the move, two let go, three imported, one node in handshake. */
function someState(): ClusterState {
  const address = (at: number) => ({ host: `10.0.0.${at}`, port: 7000 + at, cport: 17_000 + at });
  const nodes = [
    newNode(id('a'), address(1)),
    {
      ...newNode(id('b'), { ...address(2), hostname: 'two.example.com' }),
      configEpoch: 7,
      suspect: true,
      shard: id('5'),
    },
    { ...newNode(id('c'), { host: '::1', port: 7003, cport: 30_000 }), configEpoch: 3, failed: true },
    { ...newNode(id('d'), address(4)), role: 'replica' as const, master: id('b'), noFailover: true, shard: id('5') },
    { ...newNode(id('e'), address(5)), handshake: true },
  ];
  let state: ClusterState = {
    ...newState(id('a'), address(1)),
    nodes: new Map(nodes.map((node) => [node.id, node])),
    currentEpoch: 9,
    lastVoteEpoch: 8,
  };
  state = withOwner(state, range(0, 5000), id('a'));
  state = withOwner(state, [...range(5001, 9999), 16_383], id('b'));
  state = withOwner(state, range(10_000, 16_000), id('c'));
  const importedSlots = SlotTable.of([
    [3, { source: id('b'), releasedAt: undefined }],
    [4, { source: id('b'), releasedAt: undefined }],
    [8, { source: id('c'), releasedAt: 8 }],
  ]);
  state = { ...withOpenSlot(state, 'migrating', 17, id('b')), unclaimed: new Set([5003, 10_000]), importedSlots };
  return withOpenSlot(state, 'importing', 5002, id('b'));
}

/** As it comes back: without who was in handshake. */
function kept(state: ClusterState): ClusterState {
  return { ...state, nodes: new Map([...state.nodes].filter(([, node]) => !node.handshake)) };
}

describe('nodes.conf and nodes.json', () => {
  it('both give back what was printed', () => {
    const state = someState();
    assert.deepEqual(parseNodesFile(printNodesFile(state)), kept(state));
    const json = parseNodesJson(printNodesJson(state, { version: 12, savedAt: 0 }));
    assert.deepEqual(json, { state: kept(state), version: 12 });
  });

  it('reads a file of redis-server 7.0.15 and one of 7.2', () => {
    const text = `${id('b')} 127.0.0.1:26202@46202,host-2.example.com slave ${id('a')} 0 1795337745000 2 connected
${id('a')} :26201@36201,,shard-id=${id('f')} myself,master - 0 0 2 connected 0-5460 16383 [1->-${id('b')}]

vars currentEpoch 6 lastVoteEpoch 4
`;
    const state = parseNodesFile(text);
    assert.equal(state.myself, id('a'));
    assert.deepEqual([state.currentEpoch, state.lastVoteEpoch], [6, 4]);
    assert.equal(state.owners.get(16_383), id('a'));
    assert.equal(state.nodes.get(id('b'))?.hostname, 'host-2.example.com');
    assert.equal(state.nodes.get(id('b'))?.configEpoch, 0);
    assert.equal(state.migrating.get(1), id('b'));
  });

  it("passes over what it does not know of, and over slots let go that are nobody's or mine", () => {
    const lines = `${id('a')} :1@2 myself,master - 0 0 5 connected 0-9\n${id('b')} :3@4 master - 0 0 4 connected 10-19`;
    const text = `${lines}\nvars currentEpoch 5 lastVoteEpoch 0 later some,word unclaimed 5,15,25\n`;
    assert.deepEqual([...parseNodesFile(text).unclaimed], [15]);
  });

  it('keeps of closed imports those that an old claim of the source could undo', () => {
    const address = { host: '10.0.0.1', port: 7001, cport: 17_001 };
    const known = [{ ...newNode(id('a'), address), configEpoch: 5 }, newNode(id('b'), { ...address, port: 7002 })];
    const state = withOwner(
      { ...newState(id('a'), address), nodes: new Map(known.map((node) => [node.id, node])) },
      range(0, 9),
      id('a'),
    );
    const taken = [undefined, 4, 5, 6].map((releasedAt, slot) => [slot, { source: id('b'), releasedAt }] as const);
    const { importedSlots } = parseNodesFile(printNodesFile({ ...state, importedSlots: SlotTable.of(taken) }));
    assert.deepEqual([...importedSlots.entries()], [taken[0], taken[3]]);
    const moved = printNodesFile({ ...state, importedSlots: SlotTable.of(taken) }).replaceAll(id('b'), id('f'));
    assert.equal(parseNodesFile(moved.replace(`imported-${id('f')}`, `imported-${id('b')}`)).importedSlots.size, 0);
  });

  it('the epoch is never below that of a node', () => {
    const text = `${id('a')} :1@2 myself,master - 0 0 5 connected\nvars currentEpoch 2 lastVoteEpoch 0\n`;
    assert.equal(parseNodesFile(text).currentEpoch, 5);
  });

  it('says what is wrong with a damaged file', () => {
    const whole = printNodesFile(someState());
    const cases: [string, RegExp][] = [
      ['garbage\n', /no line of vars/],
      [whole.slice(0, whole.indexOf('vars')), /its end is missing/],
      [whole.replace('myself,', ''), /no node of it is myself/],
      [whole.replace(' master,fail?', ' myself,master,fail?'), /two nodes/],
      [whole.replace('fail?', 'tired'), /unknown flag 'tired'/],
      [whole.replace('0-5000', '0-5001'), /slot 5001 belongs to two/],
      [whole.replace(id('c'), 'c'), /no node id/],
      [whole.replace(id('c'), id('a')), /twice/],
      [whole.replace('lastVoteEpoch 8', 'lastVoteEpoch'), /name without a value/],
      [whole.replace('currentEpoch 9', 'currentEpoch -9'), /not a number/],
      [whole.replace('5003,10000', '5003,16384'), /vars unclaimed: '16384' is no slot/],
      [whole.replace(' 8@8', ' 8@x'), /vars imported-c{40}: '' is no slot/],
      [whole.replace('10.0.0.1:7001', '10.0.0.1:70010'), /port/],
    ];
    for (const [text, why] of cases) assert.throws(() => parseNodesFile(text), why);
  });

  it('20,000 damaged files are read or refused, never worse', () => {
    const world = new ManualWorld({ seed: 20_261_122 });
    const whole = [printNodesFile(someState()), printNodesJson(someState(), { version: 1, savedAt: 0 })] as const;
    const parse = [parseNodesFile, (text: string) => parseNodesJson(text).state] as const;
    const counts = { read: 0, refused: 0 };
    for (let run = 0; run < 20_000; run++) {
      const which = run & 1;
      const text = damage(whole[which]!, world);
      try {
        const state = parse[which]!(text);
        // What was read can be worked with, printed and read again.
        assert.equal(me(state).id, state.myself);
        for (const owner of state.owners.counts.keys()) assert.ok(state.nodes.has(owner));
        if (run % 20 === 0) assert.deepEqual(parseNodesFile(printNodesFile(state)), state);
        counts.read++;
      } catch (error) {
        assert.ok(error instanceof Error && error.constructor.name !== 'AssertionError', `${error}\n${text}`);
        assert.ok(error instanceof SyntaxError || error.constructor === Error, `${error}\n${text}`);
        counts.refused++;
      }
    }
    assert.ok(counts.read > 100 && counts.refused > 1000, JSON.stringify(counts));
  });
});

/** Some bytes changed, lost, doubled or put elsewhere. */
function damage(text: string, world: ManualWorld): string {
  const below = (limit: number): number => Math.floor(world.random() * limit);
  let damaged = text;
  for (let count = 1 + below(3); count > 0; count--) {
    const [at, length] = [below(damaged.length + 1), below(30)];
    const [head, middle, tail] = [damaged.slice(0, at), damaged.slice(at, at + length), damaged.slice(at + length)];
    const odd = String.fromCharCode(below(256)).repeat(1 + below(3));
    const cuts = [
      head + tail,
      head + middle + middle + tail,
      tail + head,
      head + odd + tail,
      head,
      head + odd + middle + tail,
    ];
    damaged = cuts[below(cuts.length)]!;
  }
  return damaged;
}

describe('the cluster configuration on the disk', () => {
  let dir: string;
  const world = new ManualWorld();
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-nodes-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is kept in both forms, each enough to start from; versions go on', () => {
    const first = new ClusterFile(dir, 'nodes.conf', world);
    assert.equal(first.load(), undefined);
    first.save(someState());
    first.save(someState());
    first.save(withNode(someState(), id('a'), { configEpoch: 4 }));
    first.close();
    assert.deepEqual(readdirSync(dir).sort(), ['nodes.conf', 'nodes.json']);
    const version = (): number =>
      (JSON.parse(readFileSync(join(dir, 'nodes.json'), 'utf8')) as { version: number }).version;
    assert.equal(version(), 2, 'saving the same again is no save');
    rmSync(join(dir, 'nodes.conf'));
    const second = new ClusterFile(dir, 'nodes.conf', world);
    assert.equal(me(second.load()!).configEpoch, 4);
    second.save(someState());
    assert.deepEqual(second.load(), kept(someState()), 'at once');
    second.save(withOwner(someState(), range(0, 5000), undefined));
    assert.equal(second.load()!.owners.get(0), undefined, 'also when the text becomes shorter');
    world.forward(1000);
    assert.equal(version(), 4);
    second.close();
    rmSync(join(dir, 'nodes.json'));
    const third = new ClusterFile(dir, 'nodes.conf', world);
    assert.equal(third.load()!.owners.get(0), undefined);
    third.close();
  });

  it('comes back when somebody removed it, and is what was saved last', () => {
    const file = new ClusterFile(dir, 'nodes.conf', world);
    file.save(someState());
    world.forward(1000);
    // Over the file that was replaced a moment ago, longer and shorter than before.
    file.save(withOwner(someState(), [9, 11, 13], id('b')));
    assert.equal(file.load()!.owners.get(11), id('b'));
    const last = withOwner(someState(), range(0, 5000), undefined);
    rmSync(join(dir, 'nodes.conf'));
    file.save(last);
    world.forward(1000);
    assert.deepEqual(file.load(), kept(last));
    file.close();
  });

  it('is locked against a second user, and a dead one holds nothing', () => {
    const file = new ClusterFile(dir, 'nodes.conf', world);
    assert.throws(() => new ClusterFile(dir, 'nodes.conf', world), new RegExp(`in use by process ${process.pid}`));
    file.close();
    writeFileSync(join(dir, 'nodes.conf.lock'), '999999999 1\n');
    new ClusterFile(dir, 'nodes.conf', world).close();
    // A process of that id lives, but was born at another time.
    writeFileSync(join(dir, 'nodes.conf.lock'), `${process.pid} 1\n`);
    new ClusterFile(dir, 'nodes.conf', world).close();
    assert.deepEqual(readdirSync(dir), []);
  });

  it('a damaged file is named and left alone', () => {
    writeFileSync(join(dir, 'nodes.conf'), 'not at all\n');
    const file = new ClusterFile(dir, 'nodes.conf', world);
    assert.throws(() => file.load(), /nodes.conf is corrupted: /);
    file.close();
    assert.equal(readFileSync(join(dir, 'nodes.conf'), 'utf8'), 'not at all\n');
    assert.equal(existsSync(join(dir, 'nodes.json')), false);
  });
});

describe('where a node of a cluster begins', () => {
  const address = { host: '', port: 9000, cport: 19_000 };

  it('a new one alone, an old one with its view at its new port', () => {
    assert.equal(me(firstState(undefined, id('9'), address)).port, 9000);
    const again = firstState(kept(someState()), id('9'), address);
    assert.deepEqual([again.myself, me(again).host, me(again).port], [id('a'), '10.0.0.1', 9000]);
  });

  it('a master takes slots of nobody that it has keys of, and opens those of others', () => {
    const state = kept(someState());
    const held = new Set([3, 5002, 5003, 16_001, 16_002]);
    const { state: next, notes } = adoptKeys(state, (slot) => (held.has(slot) ? 1 : 0));
    assert.equal(next.owners.get(16_001), id('a'));
    assert.equal(next.owners.get(5003), id('b'));
    assert.deepEqual(
      [...next.importing],
      [
        [5002, id('b')],
        [5003, id('b')],
      ],
    );
    assert.equal(notes.length, 2);
  });

  it('a replica leaves that to its master', () => {
    const state = withNode(kept(someState()), id('a'), { role: 'replica', master: id('b') });
    assert.equal(adoptKeys(state, () => 1).state, state);
  });
});
