import assert from 'node:assert/strict';
import { Cluster, type ClusterOptions } from '../../../lib/index.ts';
import { slotOf } from '../../../lib/wire/slot.ts';
import { type Answer, bulk, clusterOk, FakeNode, type FakeRange, slotsReply } from '../../kit/fake-node.ts';

type Handler = (argv: readonly string[]) => Answer;

/** Two masters, split in the middle, and a replica of the first; each test scripts what they say. */
class Stage {
  a!: FakeNode;
  b!: FakeNode;
  replica!: FakeNode;
  cluster!: Cluster;
  view: () => string = () => slotsReply(this.halves());
  readonly handlers = new Map<FakeNode, Handler>();

  halves(): FakeRange[] {
    return [
      { start: 0, end: 8191, nodes: [this.a, this.replica] },
      { start: 8192, end: 16383, nodes: [this.b] },
    ];
  }

  async start(options: ClusterOptions = {}): Promise<Cluster> {
    const make = (): Promise<FakeNode> => {
      const node: Promise<FakeNode> = FakeNode.start((argv) => this.#answer(fake, argv));
      let fake: FakeNode;
      return node.then((started) => {
        fake = started;
        return started;
      });
    };
    [this.a, this.b, this.replica] = (await Promise.all([make(), make(), make()])) as [FakeNode, FakeNode, FakeNode];
    this.cluster = new Cluster([this.a.key], options);
    return this.cluster;
  }

  on(node: FakeNode, handler: Handler): void {
    this.handlers.set(node, handler);
  }

  #answer(node: FakeNode, argv: readonly string[]): Answer {
    if (argv[0] === 'cluster') return argv[1]!.toLowerCase() === 'slots' ? this.view() : clusterOk;
    const scripted = this.handlers.get(node)?.(argv);
    if (scripted !== undefined) return scripted;
    if (argv[0] === 'asking') return '+OK\r\n';
    return bulk(`${node.port}:${argv.join(' ')}`);
  }

  async stop(): Promise<void> {
    this.cluster?.disconnect();
    await Promise.all([this.a, this.b, this.replica].map((node) => node?.close()));
  }
}

// Keys by where they hash: foo -> 12182 (b), bar -> 5061 (a).
const low = 'bar';
const lowSlot = slotOf(low);

describe('client: redirects', () => {
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage();
  });
  afterEach(() => stage.stop());

  it('follows MOVED to the address it names and patches exactly that slot', async () => {
    const cluster = await stage.start();
    await cluster.get(low);
    // The map stays stale: only the reply shows it.
    stage.on(stage.a, ([name, key]) =>
      name === 'get' && key === low ? `-MOVED ${lowSlot} ${stage.b.key}\r\n` : undefined,
    );
    assert.equal(await cluster.get(low), `${stage.b.port}:get ${low}`);
    const slots = cluster.slots;
    assert.deepEqual(slots[lowSlot], [stage.b.key]);
    assert.deepEqual(slots[lowSlot - 1], [stage.a.key, stage.replica.key]);
    assert.deepEqual(slots[lowSlot + 1], [stage.a.key, stage.replica.key]);
  });

  it('sends the call on before the map is changed', async () => {
    const cluster = await stage.start();
    await cluster.mget('foo', 'foo');
    const other = cluster.nodes('master').find(({ options }) => options.port === stage.b.port)!.stream!;
    const before = other.bytesWritten;
    let atChange = before;
    stage.on(stage.a, ([name]) => (name === 'get' ? `-MOVED ${lowSlot} ${stage.b.key}\r\n` : undefined));
    cluster.once('refresh', () => {
      atChange = other.bytesWritten;
    });
    assert.equal(await cluster.get(low), `${stage.b.port}:get ${low}`);
    assert.equal(atChange - before, '*2\r\n$3\r\nget\r\n$3\r\nbar\r\n'.length);
  });

  it('takes a MOVED to a replica of the same shard for a failover of the whole shard', async () => {
    const cluster = await stage.start();
    await cluster.get(low);
    stage.view = () =>
      slotsReply([
        { start: 0, end: 8191, nodes: [stage.replica] },
        { start: 8192, end: 16383, nodes: [stage.b] },
      ]);
    stage.on(stage.a, ([name]) => (name === 'get' ? `-MOVED ${lowSlot} ${stage.replica.key}\r\n` : undefined));
    const patched = new Promise<string[][]>((resolve) => cluster.once('refresh', () => resolve(cluster.slots)));
    assert.equal(await cluster.get(low), `${stage.replica.port}:get ${low}`);
    const slots = await patched;
    assert.equal(slots[0]![0], stage.replica.key);
    assert.equal(slots[8191]![0], stage.replica.key);
    assert.equal(slots[8192]![0], stage.b.key);
  });

  it('sends ASKING and the command in one write and leaves the map alone', async () => {
    const cluster = await stage.start();
    await cluster.get(low);
    stage.on(stage.a, ([name]) => (name === 'get' ? `-ASK ${lowSlot} ${stage.b.key}\r\n` : undefined));
    await cluster.get('foo');
    assert.equal(await cluster.get(low), `${stage.b.port}:get ${low}`);
    const asked = stage.b.seen.slice(-2);
    assert.deepEqual(
      asked.map(({ argv }) => argv.join(' ')),
      ['asking', `get ${low}`],
    );
    assert.equal(asked[0]!.chunk, asked[1]!.chunk);
    assert.deepEqual(cluster.slots[lowSlot], [stage.a.key, stage.replica.key]);
    assert.equal(stage.a.count('cluster', 'slots') + stage.b.count('cluster', 'slots'), 1);
  });

  it('follows ASK to a node the map does not know', async () => {
    const cluster = await stage.start();
    const stranger = await FakeNode.start((argv) => (argv[0] === 'asking' ? '+OK\r\n' : bulk('stranger')));
    try {
      stage.on(stage.a, ([name]) => (name === 'get' ? `-ASK ${lowSlot} ${stranger.key}\r\n` : undefined));
      assert.equal(await cluster.get(low), 'stranger');
    } finally {
      await stranger.close();
    }
  });

  for (const refusal of [
    'TRYAGAIN Multiple keys',
    'CLUSTERDOWN The cluster is down',
    'LOADING Redis is loading',
    'MASTERDOWN Link',
    "READONLY You can't",
  ]) {
    it(`waits and tries again after ${refusal.split(' ')[0]}`, async () => {
      const cluster = await stage.start({
        retryDelayOnTryAgain: 5,
        retryDelayOnClusterDown: 5,
        retryDelayOnFailover: 5,
      });
      let refusals = 3;
      stage.on(stage.a, ([name]) => (name === 'incr' && refusals-- > 0 ? `-${refusal}\r\n` : undefined));
      assert.equal(await cluster.incr(low), `${stage.a.port}:incr ${low}`);
      assert.equal(stage.a.count('incr'), 4);
    });
  }

  it('gives up on refusals at the deadline, with the last error, the slot and the attempts', async () => {
    const cluster = await stage.start({ retryDeadline: 60, retryDelayOnTryAgain: 10 });
    stage.on(stage.a, ([name]) =>
      name === 'get' ? '-TRYAGAIN Multiple keys request during rehashing of slot\r\n' : undefined,
    );
    const error = await cluster.get(low).then(
      () => assert.fail('resolved'),
      (reason: unknown) => reason as Error & { code: string; slot: number; attempts: number },
    );
    assert.match(
      error.message,
      /^The cluster could not serve the command within 60ms\. Last error: ReplyError: TRYAGAIN/,
    );
    assert.equal(error.code, 'ERR_RETRY_DEADLINE');
    assert.equal(error.slot, lowSlot);
    assert.ok(error.attempts > 1);
    assert.match(String(error.cause), /TRYAGAIN/);
  });

  it('caps MOVED ping-pong at maxRedirections', async () => {
    const cluster = await stage.start({ maxRedirections: 5 });
    stage.on(stage.a, ([name]) => (name === 'get' ? `-MOVED ${lowSlot} ${stage.b.key}\r\n` : undefined));
    stage.on(stage.b, ([name]) => (name === 'get' ? `-MOVED ${lowSlot} ${stage.a.key}\r\n` : undefined));
    await assert.rejects(cluster.get(low) as Promise<unknown>, (error: Error & { code: string }) => {
      assert.match(error.message, /^Too many Cluster redirections\. Last error: ReplyError: MOVED/);
      return error.code === 'ERR_TOO_MANY_REDIRECTIONS';
    });
    assert.equal(stage.a.count('get') + stage.b.count('get'), 6);
  });

  it('replaces the link when a node moves a slot to itself', async () => {
    const cluster = await stage.start();
    await cluster.get(low);
    const before = stage.a.connections;
    let first = true;
    stage.on(stage.a, ([name]) => {
      if (name !== 'get' || !first) return undefined;
      first = false;
      return `-MOVED ${lowSlot} ${stage.a.key}\r\n`;
    });
    assert.equal(await cluster.get(low), `${stage.a.port}:get ${low}`);
    assert.equal(stage.a.connections, before + 1);
  });

  it('takes an empty host in MOVED for the node that answered', async () => {
    const cluster = await stage.start();
    stage.on(stage.a, ([name]) => (name === 'get' ? `-MOVED ${lowSlot} :${stage.b.port}\r\n` : undefined));
    assert.equal(await cluster.get(low), `${stage.b.port}:get ${low}`);
  });

  it('takes null and empty hosts in CLUSTER SLOTS for the node that answered', async () => {
    for (const host of [null, '']) {
      stage.view = () =>
        slotsReply([
          { start: 0, end: 8191, nodes: [{ host, port: stage.a.port }] },
          { start: 8192, end: 16383, nodes: [{ host, port: stage.b.port }] },
        ]);
      const cluster = await stage.start();
      assert.equal(await cluster.get('foo'), `${stage.b.port}:get foo`);
      await stage.stop();
    }
    await stage.start();
  });

  it('maps every address by natMap: CLUSTER SLOTS, MOVED and ASK', async () => {
    const outer: Record<string, { host: string; port: number }> = {};
    stage.view = () =>
      slotsReply([
        { start: 0, end: 8191, nodes: [{ host: '10.0.0.1', port: 1 }] },
        { start: 8192, end: 16383, nodes: [{ host: '10.0.0.2', port: 2 }] },
      ]);
    const cluster = await stage.start({ natMap: (key) => outer[key] ?? null, lazyConnect: true });
    outer['10.0.0.1:1'] = { host: '127.0.0.1', port: stage.a.port };
    outer['10.0.0.2:2'] = { host: '127.0.0.1', port: stage.b.port };
    assert.equal(await cluster.get('foo'), `${stage.b.port}:get foo`);
    stage.on(stage.a, ([name]) => (name === 'get' ? `-ASK ${lowSlot} 10.0.0.2:2\r\n` : undefined));
    assert.equal(await cluster.get(low), `${stage.b.port}:get ${low}`);
    stage.on(stage.a, ([name]) => (name === 'get' ? `-MOVED ${lowSlot} 10.0.0.2:2\r\n` : undefined));
    assert.equal(await cluster.get(low), `${stage.b.port}:get ${low}`);
    assert.deepEqual(cluster.slots[lowSlot], [stage.b.key]);
  });

  it('sends only the refused calls of a pipeline again', async () => {
    const cluster = await stage.start();
    const moved = slotOf('{bar}1');
    stage.on(stage.a, ([name, key]) =>
      name === 'set' && slotOf(key!) === moved ? `-MOVED ${moved} ${stage.b.key}\r\n` : undefined,
    );
    const pipeline = cluster.pipeline() as unknown as {
      set(key: string, value: number): void;
      exec(): Promise<[Error | null, unknown][]>;
    };
    const keys = ['{bar}1', 'a', 'foo', '{bar}2', 'b', 'c'];
    for (const [index, key] of keys.entries()) pipeline.set(key, index);
    const results = await pipeline.exec();
    results.forEach(([error, value], index) => {
      assert.equal(error, null);
      assert.match(String(value), new RegExp(`set ${keys[index]!.replace(/[{}]/g, '.')} ${index}$`));
    });
    const all = [...stage.a.commands, ...stage.b.commands].filter((text) => text.startsWith('set'));
    assert.equal(all.length, keys.length + 2, 'two calls travelled twice');
  });

  it('writes a batch once to each node', async () => {
    const cluster = await stage.start();
    await Promise.all([cluster.get('foo'), cluster.get(low)]);
    const pipeline = cluster.pipeline() as unknown as { get(key: string): void; exec(): Promise<unknown[]> };
    for (let at = 0; at < 200; at++) pipeline.get(`key:${at}`);
    await pipeline.exec();
    for (const node of [stage.a, stage.b]) {
      const gets = node.seen.filter(({ argv }) => argv[1]?.startsWith('key:'));
      assert.ok(gets.length > 50);
      assert.equal(new Set(gets.map(({ chunk }) => chunk)).size, 1);
    }
  });

  it('moves a transaction as a whole, on MOVED and on ASK', async () => {
    for (const word of ['MOVED', 'ASK']) {
      const cluster = await stage.start();
      stage.on(stage.a, ([name]) => {
        if (name === 'multi') return '+OK\r\n';
        if (name === 'incr') return `-${word} ${lowSlot} ${stage.b.key}\r\n`;
        if (name === 'exec') return '-EXECABORT Transaction discarded because of previous errors.\r\n';
        return undefined;
      });
      stage.on(stage.b, ([name]) => {
        if (name === 'multi' || name === 'asking') return '+OK\r\n';
        if (name === 'incr') return '+QUEUED\r\n';
        if (name === 'exec') return '*2\r\n:1\r\n:2\r\n';
        return undefined;
      });
      const multi = cluster.multi() as unknown as { incr(key: string): typeof multi; exec(): Promise<unknown> };
      assert.deepEqual(await multi.incr(low).incr(low).exec(), [
        [null, 1],
        [null, 2],
      ]);
      const expected = [...(word === 'ASK' ? ['asking'] : []), 'multi', `incr ${low}`, `incr ${low}`, 'exec'];
      assert.deepEqual(stage.b.commands, expected);
      const chunks = new Set(stage.b.seen.slice(-expected.length).map(({ chunk }) => chunk));
      assert.equal(chunks.size, 1);
      await stage.stop();
    }
    await stage.start();
  });

  it('holds a stale view for 2 s under 860 commands: at most 3 CLUSTER SLOTS, no new socket', async () => {
    const cluster = await stage.start();
    await Promise.all([cluster.get('foo'), cluster.get(low)]);
    const sockets = stage.a.connections + stage.b.connections + stage.replica.connections;
    const before = stage.a.count('cluster', 'slots') + stage.b.count('cluster', 'slots');
    // Every slot of the lower half has moved, and no view says so.
    stage.on(stage.a, ([name, key]) => (name === 'get' ? `-MOVED ${slotOf(key!)} ${stage.b.key}\r\n` : undefined));
    const wrong: string[] = [];
    for (let round = 0; round < 86; round++) {
      const keys = Array.from({ length: 10 }, (_, at) => `key:${round}:${at}`);
      const values = await Promise.all(keys.map((key) => cluster.get(key)));
      values.forEach((value, at) => {
        if (value !== `${stage.b.port}:get ${keys[at]}`) wrong.push(String(value));
      });
      await new Promise((resolve) => setTimeout(resolve, 23));
    }
    assert.deepEqual(wrong, []);
    const asked = stage.a.count('cluster', 'slots') + stage.b.count('cluster', 'slots') - before;
    assert.ok(asked >= 1 && asked <= 3, `${asked} CLUSTER SLOTS`);
    assert.equal(stage.a.connections + stage.b.connections + stage.replica.connections, sockets);
  });

  it('reads from replicas when configured, and goes where a replica sends it', async () => {
    const cluster = await stage.start({ scaleReads: 'slave' });
    assert.equal(await cluster.get(low), `${stage.replica.port}:get ${low}`);
    assert.equal(stage.replica.count('readonly'), 1);
    assert.equal(await cluster.set(low, '1'), `${stage.a.port}:set ${low} 1`);
    stage.on(stage.replica, ([name]) => (name === 'get' ? `-MOVED ${lowSlot} ${stage.a.key}\r\n` : undefined));
    assert.equal(await cluster.get(low), `${stage.a.port}:get ${low}`);
    assert.equal(stage.replica.count('get'), 2);
  });
});
