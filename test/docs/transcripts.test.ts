// What the learning pages show of redis-cli is what a cluster answers: commands whose answer depends on nothing but the
// cluster's default layout are sent again, those shown of redis-server as well, for both answer the same.

import assert from 'node:assert/strict';
import { Redis } from '../../lib/index.ts';
import { pagePaths, readPage } from '../../scripts/docs/pages.ts';
import { type BundledCluster, type Seed, startCluster } from '../../server/index.ts';
import { needRedisServer, type RealCluster, sharedRealCluster } from '../kit/real-cluster.ts';

interface Shown {
  readonly where: string;
  /** Of the node: 0 to 5. */
  readonly node: number;
  readonly words: readonly string[];
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
];
const onlyElsewhere: readonly RegExp[] = [/^GET foo$/];
const leastReplays = 24;

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
        const [, port, rest] = /^redis-cli -p 7[01]0([0-5]) (?!-)(.*)$/.exec(command) ?? [];
        const words = rest === undefined || /# .*(?:Valkey|moves|moved)/.test(rest) ? undefined : wordsOf(rest);
        if (words === undefined || answer.length === 0) return [];
        return [{ where: `${path}:${line}`, node: Number(port), words, answer: answer.join('\n') }];
      });
    });
}

function isTimeless({ node, words }: Shown): boolean {
  const text = words.join(' ');
  if (node > 2 && words[0] !== 'REPLICAOF') return false;
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
const replayed = paths.flatMap(shownIn).filter(isTimeless);

describe('docs: transcripts', () => {
  it(`at least ${leastReplays} commands are sent again`, () => {
    assert.ok(replayed.length >= leastReplays, `${replayed.length}`);
    for (const pattern of [...timeless, ...onlyElsewhere])
      assert.ok(
        replayed.some(({ words }) => pattern.test(words.join(' '))),
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

  for (const { where, node, words, answer } of replayed) {
    it(`${where}: ${words.join(' ')}`, async () => {
      const [name = '', ...args] = words;
      const reply = await nodes[node]!.call(name, ...args).catch((error: unknown) => error);
      assert.equal(plain(printed(reply)), plain(answer));
    });
  }
}
