// What the learning pages show of redis-cli is what a cluster answers: commands whose answer depends on nothing but the
// cluster's default layout are sent again, those shown of redis-server as well, for both answer the same.

import assert from 'node:assert/strict';
import { Redis } from '../../lib/index.ts';
import { pagePaths, readPage } from '../../scripts/docs/pages.ts';
import { type BundledCluster, type Seed, startCluster } from '../../server/index.ts';
import { needRedisServer, type RealCluster, sharedRealCluster } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';

interface Shown {
  readonly where: string;
  /** Of the node: 0 to 5. */
  readonly node: number;
  /** One command, or several that were piped into redis-cli. */
  readonly commands: readonly (readonly string[])[];
  readonly answer: string;
}

/** By the words of the command, joined; masters 0 to 2 own the slots in thirds, nothing moves, keys do not matter. */
const timeless: readonly RegExp[] = [
  /^CLUSTER KEYSLOT/,
  /^SELECT 1$/,
  /^MSET a 1 b 2$/,
  /^MGET \{u\}5 greeting$/,
  /^REPLICAOF/,
  /^CLUSTER (?:ADDSLOTS 5|SAVECONFIG|MIGRATESLOTS)$/,
  /^CONFIG GET (?!appendonly|cluster-node-timeout)/,
  /^WAITAOF/,
  /^EVAL .* 0$/,
  /^SPUBLISH/,
  /^PUBLISH x hello$/,
  /^CLUSTER COUNTKEYSINSLOT 12182$/,
  /^SET foo bar$/,
];
const onlyElsewhere: readonly RegExp[] = [/^GET foo$/];
const leastReplays = 40;

/** Words of a shell line without variables, pipes and substitutions; undefined for any other line. */
function wordsOf(line: string): string[] | undefined {
  const bare = line.replace(/\s+#.*$/, '');
  if (/[|$;`<>]/.test(bare)) return undefined;
  return [...bare.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, plain]) => single ?? double ?? plain!,
  );
}

function shownIn(path: string): Shown[] {
  return readPage(path)
    .blocks.filter(({ language }) => language === 'console')
    .flatMap(({ code, line }) => {
      const parts = code.split(/^\$ /m).slice(1);
      return parts.flatMap((part): Shown[] => {
        const [command = '', ...answer] = part.trimEnd().split('\n');
        const shown = { where: `${path}:${line}`, answer: answer.join('\n') };
        if (answer.length === 0) return [];
        const [, piped, to] = /^printf '(.*)\\n' \| redis-cli -p 7[01]0([0-5])$/.exec(command) ?? [];
        if (piped !== undefined) {
          const commands = piped.split('\\n').map((text) => text.split(' '));
          return [{ ...shown, node: Number(to), commands }];
        }
        const [, port, rest] = /^redis-cli -p 7[01]0([0-5]) (?!-)(.*)$/.exec(command) ?? [];
        const words = rest === undefined || /# .*(?:Valkey|moves)/.test(rest) ? undefined : wordsOf(rest);
        return words === undefined ? [] : [{ ...shown, node: Number(port), commands: [words] }];
      });
    });
}

const textOf = ({ commands }: Shown): string => commands.map((words) => words.join(' ')).join('; ');

/** What is shown while slot 12182 moves from node 2 to node 0: `foo` is on the target, `{foo}2` is not yet. */
function isOfMove(shown: Shown): boolean {
  const text = textOf(shown);
  if (text.startsWith('ASKING; ')) return true;
  return shown.node === 2 && /(?:ASK 12182|TRYAGAIN)/.test(shown.answer);
}

/** What a replica of node 2 is shown to answer. */
const isOfReplica = (shown: Shown): boolean => textOf(shown).startsWith('READONLY; ');

function isTimeless(shown: Shown): boolean {
  const { node, answer } = shown;
  const text = textOf(shown);
  if (node > 2 && !text.startsWith('REPLICAOF')) return false;
  if (/^"|ASK /.test(answer)) return false;
  return timeless.some((pattern) => pattern.test(text)) || (node < 2 && onlyElsewhere.some((each) => each.test(text)));
}

/** As redis-cli prints it on a terminal, but for the quotes of strings. */
function printed(reply: unknown): string {
  if (reply instanceof Error) return `(error) ${reply.message}`;
  if (typeof reply === 'number') return `(integer) ${reply}`;
  if (Array.isArray(reply)) return reply.map((item, at) => `${at + 1}) ${printed(item)}`).join('\n');
  return reply === null ? '(nil)' : String(reply);
}

const paths = pagePaths().filter((path) => /^docs\/(?:principles|start|questions|tutorial)/.test(path));
const shown = paths.flatMap(shownIn);
const [timelessOnes, ofMove, ofReplica] = [isTimeless, isOfMove, isOfReplica].map((which) => shown.filter(which)) as [
  Shown[],
  Shown[],
  Shown[],
];

describe('docs: transcripts', () => {
  it(`at least ${leastReplays} commands are sent again`, () => {
    const count = timelessOnes.length + ofMove.length + ofReplica.length;
    assert.ok(count >= leastReplays, `${count}`);
    assert.ok(
      ofMove.length >= 10 && ofReplica.length >= 2,
      `${ofMove.length} of a move, ${ofReplica.length} of a replica`,
    );
    for (const pattern of [...timeless, ...onlyElsewhere])
      assert.ok(
        timelessOnes.some((each) => pattern.test(textOf(each))),
        `no page shows ${pattern}`,
      );
  });

  describe('on the bundled server', () => {
    let bundled: BundledCluster;
    before(async () => {
      bundled = await startCluster();
    });
    after(() => bundled?.close());
    replays(() => bundled.seeds);
  });

  describe('on redis-server', function () {
    this.timeout(30_000);
    let cluster: RealCluster | undefined;
    before(async function () {
      needRedisServer(this, 'transcripts of redis-server');
      cluster = await sharedRealCluster();
    });
    after(() => cluster?.flush());
    replays(() => cluster!.seeds);
  });
});

function replays(seedsOf: () => readonly Seed[]): void {
  let nodes: Redis[] = [];
  let ports: number[] = [];

  before(async () => {
    ports = seedsOf().map(({ port }) => port);
    nodes = seedsOf().map((seed) => new Redis({ ...seed }));
    await nodes[2]!.set('foo', 'bar');
  });
  after(() => {
    for (const node of nodes) node.disconnect();
  });

  /** Ports as the pages show them; ids and digests cut to one word; no quotes. */
  function plain(text: string): string {
    const ported = ports.reduce((changed, port, at) => changed.replaceAll(`:${port}`, `:700${at}`), text);
    return ported
      .replaceAll(/:710(?=\d\b)/g, ':700')
      .replaceAll(/\b[0-9a-f]{8}(?:[0-9a-f]{32})?\b/g, 'ID')
      .replaceAll('"', '')
      .replaceAll(/[ \t]+$/gm, '');
  }

  async function replay(to: Redis, { commands, answer }: Shown): Promise<void> {
    const replies: string[] = [];
    for (const [name = '', ...args] of commands) {
      const reply = await to.call(name, ...args).catch((error: unknown) => error);
      replies.push(printed(reply));
    }
    assert.equal(plain(replies.join('\n')), plain(answer));
  }

  for (const each of timelessOnes) {
    it(`${each.where}: ${textOf(each)}`, () => replay(nodes[each.node]!, each));
  }

  describe('from a replica', () => {
    let replica: Redis;
    before(async () => {
      const id = String(await nodes[2]!.call('CLUSTER', 'MYID'));
      const [line] = (await nodes[2]!.call('CLUSTER', 'REPLICAS', id)) as string[];
      const [, port] = /^\S+ 127\.0\.0\.1:(\d+)/.exec(line!)!;
      replica = new Redis({ host: '127.0.0.1', port: Number(port) });
      await replica.call('READONLY');
      await until('the replica has foo', async () => (await replica.get('foo')) === 'bar');
      await replica.call('READWRITE');
    });
    after(() => replica?.disconnect());
    for (const each of ofReplica) it(`${each.where}: ${textOf(each)}`, () => replay(replica, each));
  });

  describe('while slot 12182 moves', () => {
    const setSlot = (node: Redis, ...words: string[]): Promise<unknown> =>
      node.call('CLUSTER', 'SETSLOT', '12182', ...words);

    before(async () => {
      const [target, , source] = nodes as [Redis, Redis, Redis];
      const ids = await Promise.all([source, target].map((node) => node.call('CLUSTER', 'MYID')));
      await source.set('{foo}2', '2');
      await setSlot(target, 'IMPORTING', String(ids[0]));
      await setSlot(source, 'MIGRATING', String(ids[1]));
      assert.equal(await source.call('MIGRATE', '127.0.0.1', ports[0]!, 'foo', 0, 5000), 'OK');
    });
    after(async () => {
      const [target, , source] = nodes as [Redis, Redis, Redis];
      await target.call('ASKING');
      await target.call('DEL', 'foo');
      await Promise.all([setSlot(source, 'STABLE'), setSlot(target, 'STABLE')]);
    });
    for (const each of ofMove) it(`${each.where}: ${textOf(each)}`, () => replay(nodes[each.node]!, each));
  });
}
