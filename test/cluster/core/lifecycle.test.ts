import assert from 'node:assert/strict';
import { Cluster, type ClusterOptions, Redis } from '../../../lib/index.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';

function oneNode(): Promise<FakeNode> {
  const started: Promise<FakeNode> = FakeNode.start((argv) => {
    if (argv[0] !== 'cluster') return argv[0] === 'hang' ? undefined : bulk(argv.join(' '));
    return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
  });
  let node: FakeNode;
  return started.then((made) => {
    node = made;
    return made;
  });
}

async function deadPort(): Promise<number> {
  const node = await FakeNode.start(() => undefined);
  await node.close();
  return node.port;
}

type Failure = Error & { code: string; hint: string; errors: (Error & { node: string; code: string })[] };

async function failure(promise: Promise<unknown>): Promise<Failure> {
  return promise.then(
    (value) => assert.fail(`resolved with ${String(value)}`),
    (error: unknown) => error as Failure,
  );
}

describe('client: lifecycle', () => {
  let node: FakeNode;
  const open: (Cluster | Redis)[] = [];

  function cluster(seeds: ConstructorParameters<typeof Cluster>[0], options: ClusterOptions = {}): Cluster {
    const made = new Cluster(seeds, options);
    open.push(made);
    return made;
  }

  beforeEach(async () => {
    node = await oneNode();
  });
  afterEach(async () => {
    for (const client of open.splice(0)) client.disconnect();
    await node.close();
  });

  for (const kind of ['cluster', 'single'] as const) {
    for (const state of ['in flight', 'held'] as const) {
      it(`${kind}: calls ${state} that are rejected together each have an error of their own`, async () => {
        const port = state === 'held' ? await deadPort() : node.port;
        const client =
          kind === 'cluster' ? cluster([{ host: '127.0.0.1', port }]) : new Redis({ host: '127.0.0.1', port });
        open.push(client);
        client.on('error', () => {});
        if (state === 'in flight') await client.ping();
        const calls = ['a', 'b', 'c'].map((word) => failure(client.call('hang', word) as Promise<unknown>));
        await new Promise((resolve) => setTimeout(resolve, 20));
        client.disconnect();
        const errors = (await Promise.all(calls)) as (Failure & { command: unknown })[];
        assert.equal(new Set(errors).size, 3);
        assert.deepEqual(
          errors.map(({ message, command }) => [message, command]),
          ['a', 'b', 'c'].map((word) => ['Connection is closed.', { name: 'hang', args: [word] }]),
        );
      });
    }
  }

  it('calls that waited for a cluster that never came name every seed, each by an error of its own', async () => {
    const ports = [await deadPort(), await deadPort()];
    const client = cluster(
      ports.map((port) => ({ host: '127.0.0.1', port })),
      { clusterRetryStrategy: null },
    );
    const errors = await Promise.all(['a', 'b'].map((key) => failure(client.get(key))));
    assert.notEqual(errors[0], errors[1]);
    for (const error of errors) {
      assert.equal(error.code, 'ERR_CLUSTER_ALL_FAILED');
      assert.match(error.message, /^None of startup nodes is available/);
      assert.deepEqual(
        error.errors.map(({ node: key }) => key).sort(),
        ports.map((port) => `127.0.0.1:${port}`).sort(),
      );
    }
  });

  it('goes through its statuses, each with an event without arguments', async () => {
    const client = cluster([node.key], { lazyConnect: true });
    const events: string[] = [];
    for (const status of ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'disconnecting', 'end']) {
      client.on(status, (...args) => events.push(`${status}${args.length}`));
    }
    assert.equal(client.status, 'wait');
    await client.connect();
    assert.equal(client.status, 'ready');
    const ended = new Promise((resolve) => client.once('end', resolve));
    assert.equal(await client.quit(), 'OK');
    assert.equal(client.status, 'end');
    await ended;
    assert.deepEqual(events, ['connecting0', 'connect0', 'ready0', 'disconnecting0', 'close0', 'end0']);
  });

  it('connects for the first command when lazy', async () => {
    const client = cluster([node.key], { lazyConnect: true });
    assert.equal(node.connections, 0);
    assert.equal(await client.get('k'), 'get k');
  });

  it('rejects a second connect()', async () => {
    const client = cluster([node.key]);
    assert.match((await failure(client.connect())).message, /already connecting\/connected/);
  });

  it('gives one error that lists every seed and its own cause', async () => {
    const dead = await deadPort();
    const odd = await FakeNode.start(() => '-ERR unknown command\r\n');
    const rude = await FakeNode.start((_argv, socket) => {
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
      return undefined;
    });
    try {
      const client = cluster([dead, odd.port, rude.port], { lazyConnect: true, clusterRetryStrategy: () => null });
      const seen: Failure[] = [];
      client.on('error', (error) => seen.push(error));
      const error = await failure(client.connect());
      assert.match(error.message, /^None of startup nodes is available/);
      const reasons = new Map(error.errors.map((one) => [one.node, one]));
      assert.deepEqual([...reasons.keys()].sort(), [`127.0.0.1:${dead}`, odd.key, rude.key].sort());
      assert.equal(reasons.get(`127.0.0.1:${dead}`)!.code, 'ECONNREFUSED');
      assert.match(reasons.get(odd.key)!.message, /unknown command/);
      assert.match(reasons.get(rude.key)!.message, /Protocol error/);
      for (const [key, reason] of reasons) assert.ok(error.hint.includes(key) && error.hint.includes(reason.message));
      assert.equal(error.message, 'None of startup nodes is available');
      assert.equal(seen[0]!.message, 'Failed to refresh slots cache.');
      assert.equal(client.status, 'end');
    } finally {
      await odd.close();
      await rude.close();
    }
  });

  it('holds commands until a seed can be reached, by clusterRetryStrategy', async () => {
    const port = await deadPort();
    const delays: [number, boolean][] = [];
    const client = cluster([port], {
      clusterRetryStrategy: (times, reason) => {
        delays.push([times, reason instanceof Error]);
        return 20;
      },
    });
    const value = client.get('k');
    await new Promise((resolve) => client.once('reconnecting', resolve));
    const late = await oneNode();
    try {
      const relay = await FakeNode.start(
        (argv) =>
          argv[1]?.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [late] }]) : clusterOk,
        port,
      );
      assert.equal(await value, 'get k');
      await relay.close();
      assert.deepEqual(delays[0], [1, true]);
    } finally {
      await late.close();
    }
  });

  it('rejects held commands when it gives up', async () => {
    const client = cluster([await deadPort()], { clusterRetryStrategy: () => undefined });
    const error = await failure(client.get('k'));
    assert.match(error.message, /None of startup nodes is available/);
  });

  it('ends in order when clusterRetryStrategy throws, and lets the process see it', async () => {
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const thrown = new Promise<Error>((resolve) => process.once('uncaughtException', resolve));
    try {
      const client = cluster([await deadPort()], {
        clusterRetryStrategy: () => {
          throw new Error('of the user');
        },
      });
      client.on('error', () => {});
      const held = failure(client.get('k'));
      assert.equal((await thrown).message, 'of the user');
      assert.match((await held).message, /None of startup nodes is available/);
      assert.equal(client.status, 'end');
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
  });

  it('rejects commands after quit() and after disconnect()', async () => {
    for (const leave of ['quit', 'disconnect'] as const) {
      const client = cluster([node.key]);
      await client.get('k');
      await client[leave]();
      assert.equal((await failure(client.get('k'))).message, 'Connection is closed.');
      const [[error]] = (await client.pipeline().get('k').exec()) as [[Error, unknown]];
      assert.equal(error.message, 'Connection is closed.');
      assert.equal(await client.quit(), 'OK');
    }
  });

  it('rejects pending commands on disconnect(), answers them first on quit()', async () => {
    const client = cluster([node.key]);
    await client.get('k');
    const pending = client.call('hang');
    const rejected = failure(pending as Promise<unknown>);
    client.disconnect();
    assert.equal((await rejected).message, 'Connection is closed.');
    const polite = cluster([node.key]);
    await polite.get('k');
    const values = Promise.all(Array.from({ length: 100 }, (_, at) => polite.get(String(at))));
    await polite.quit();
    assert.equal((await values).length, 100);
  });

  it('can be connected again after it ended', async () => {
    const client = cluster([node.key]);
    await client.get('k');
    client.disconnect();
    await client.connect();
    assert.equal(await client.get('again'), 'get again');
  });

  it('leaves no socket behind when it is disconnected while connecting', async () => {
    for (let turn = 0; turn < 20; turn++) {
      const client = cluster([node.key]);
      for (let step = 0; step < turn; step++) await new Promise((resolve) => setImmediate(resolve));
      client.disconnect();
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(node.open, 0);
  });

  it('answers everything submitted before quit(), whatever it still waits for', async () => {
    const client = cluster([node.key]);
    const early = Array.from({ length: 10 }, (_, at) => client.get(String(at)));
    assert.equal(await client.quit(), 'OK');
    assert.deepEqual(
      await Promise.all(early),
      Array.from({ length: 10 }, (_, at) => `get ${at}`),
    );
  });

  it('refuses to hold commands with enableOfflineQueue: false', async () => {
    const client = cluster([node.key], { enableOfflineQueue: false });
    assert.equal(
      (await failure(client.get('k'))).message,
      "Cluster isn't ready and enableOfflineQueue options is false",
    );
  });

  it('bounds the commands it holds', async () => {
    const client = cluster([await deadPort()], { maxQueueLength: 3, clusterRetryStrategy: () => 1000 });
    const held = [1, 2, 3].map((at) => failure(client.get(String(at))));
    const error = await failure(client.get('4'));
    assert.equal(error.code, 'ERR_QUEUE_FULL');
    assert.match(error.message, /maxQueueLength/);
    client.disconnect();
    for (const one of held) assert.equal((await one).message, 'Connection is closed.');
  });

  it('bounds the bytes it holds', async () => {
    const client = cluster([await deadPort()], { maxQueueBytes: 100, clusterRetryStrategy: () => 1000 });
    const held = failure(client.set('k', 'x'.repeat(80)));
    const error = await failure(client.set('k', 'x'.repeat(80)));
    assert.equal(error.code, 'ERR_QUEUE_FULL');
    assert.match(error.message, /maxQueueBytes/);
    client.disconnect();
    await held;
  });

  it('reports when a socket is behind, and when it has drained', async () => {
    const client = cluster([node.key]);
    await client.get('k');
    assert.equal(client.writableNeedDrain, false);
    // The node reads nothing for a while: 64 MiB do not fit into any socket's buffers.
    node.pause();
    const writes = Array.from({ length: 64 }, (_, at) => client.set(`k${at}`, Buffer.alloc(1 << 20)));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(client.writableNeedDrain, true);
    const drained = new Promise((resolve) => client.once('drain', resolve));
    node.resume();
    await drained;
    assert.equal(client.writableNeedDrain, false);
    await Promise.all(writes);
  });

  it("resend: 'readonly' rejects writes of unknown outcome and sends reads again", async () => {
    const client = cluster([node.key], { resend: 'readonly' });
    await client.get('k');
    let cut = false;
    node.answer = ((usual) => (argv, socket) => {
      if (!cut && argv[0] !== 'cluster') {
        cut = true;
        socket.destroy();
        return undefined;
      }
      return usual(argv, socket);
    })(node.answer);
    const read = client.get('read');
    const written = failure(client.incr('written'));
    assert.equal(await read, 'get read');
    assert.match((await written).message, /Connection is closed|ECONNRESET/);
    assert.equal(node.count('incr'), 1, 'sent once, and not again');
  });

  it('applies commandTimeout to commands held, sent and retried', async () => {
    const offline = cluster([await deadPort()], { redisOptions: { commandTimeout: 50 } });
    assert.equal((await failure(offline.get('k'))).message, 'Command timed out');
    // Long enough for what is answered at once, on a busy machine too.
    const online = cluster([node.key], { redisOptions: { commandTimeout: 500 } });
    await online.get('k');
    const error = await failure(online.call('hang') as Promise<unknown>);
    assert.equal(error.message, 'Command timed out');
    assert.equal(error.code, 'ETIMEDOUT');
    // Its reply comes after all, and must not be taken for the next call's.
    node.answer = () => `+late\r\n${bulk('mine')}`;
    assert.equal(await online.get('k'), 'mine');
  });

  it('leaves the end of a call to commandTimeout alone where there is no retryDeadline', async () => {
    const errors = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const offline = cluster([await deadPort()], { redisOptions: { commandTimeout: 20 + at } });
        return (await failure(offline.get('k'))).message;
      }),
    );
    assert.deepEqual([...new Set(errors)], ['Command timed out']);
    const online = cluster([node.key], { redisOptions: { commandTimeout: 60 }, retryDelayOnTryAgain: 7 });
    node.answer = (
      (usual) => (argv, socket) =>
        argv[0] === 'get' ? '-TRYAGAIN not yet\r\n' : usual(argv, socket)
    )(node.answer);
    const refused = await Promise.all(Array.from({ length: 20 }, (_, at) => failure(online.get(`k${at}`))));
    assert.deepEqual([...new Set(refused.map(({ message }) => message))], ['Command timed out']);
  });

  it('retries with a commandTimeout of 0, which is none', async () => {
    const client = cluster([node.key], { redisOptions: { commandTimeout: 0 }, retryDelayOnTryAgain: 5 });
    let refusals = 2;
    node.answer = (
      (usual) => (argv, socket) =>
        argv[0] === 'get' && refusals-- > 0 ? '-TRYAGAIN not yet\r\n' : usual(argv, socket)
    )(node.answer);
    assert.equal(await client.get('k'), 'get k');
  });

  it('sends again what was lost with its connection', async () => {
    const client = cluster([node.key]);
    await client.get('k');
    let cuts = 0;
    node.answer = ((usual) => (argv, socket) => {
      if (argv[0] === 'get' && cuts++ < 2) {
        socket.destroy();
        return undefined;
      }
      return usual(argv, socket);
    })(node.answer);
    assert.equal(await client.get('k'), 'get k');
  });

  it('rejects what it carried when a node talks nonsense, and goes on with a new connection', async () => {
    const client = cluster([node.key], { redisOptions: { autoResendUnfulfilledCommands: false } });
    await client.get('k');
    node.answer = (
      (usual) => (argv, socket) =>
        argv[0] === 'incr' ? '!nonsense\r\n' : usual(argv, socket)
    )(node.answer);
    const error = await failure(client.incr('k'));
    assert.equal(error.name, 'ProtocolError');
    assert.equal(await client.get('k'), 'get k');
  });

  const badOptions: [ClusterOptions | object, string][] = [
    [{ scaleReads: 'nobody' }, 'scaleReads'],
    [{ maxRedirections: -1 }, 'maxRedirections'],
    [{ retryDelayOnFailover: 'soon' }, 'retryDelayOnFailover'],
    [{ clusterRetryStrategy: 5 }, 'clusterRetryStrategy'],
    [{ natMap: 'x' }, 'natMap'],
    [{ redisOptions: { protocol: 4 } }, 'redisOptions.protocol'],
    [{ redisOptions: { db: -2 } }, 'redisOptions.db'],
    [{ redisOptions: { commandTimeout: Number.NaN } }, 'redisOptions.commandTimeout'],
  ];
  for (const [options, name] of badOptions) {
    it(`names the bad option ${name} at construction`, () => {
      assert.throws(
        () => new Cluster([7000], options as ClusterOptions),
        (error: Error & { option: string }) => error.option === name && error.message.includes(name),
      );
    });
  }

  it('throws for bad startup nodes and roles', () => {
    assert.throws(() => new Cluster('h:1' as never), /startupNodes/);
    assert.throws(() => cluster([node.key]).nodes('both' as 'all'), /Invalid role "both"/);
  });

  it('gives single nodes of its own connections', async () => {
    const client = cluster([node.key]);
    await client.get('k');
    const before = node.connections;
    const [face] = client.nodes('master');
    assert.ok(face instanceof Redis);
    assert.equal(await face.get('x'), 'get x');
    assert.equal(face.status, 'ready');
    assert.equal(client.nodes()[0], face);
    assert.equal(node.connections, before);
  });

  it('a duplicate starts from the map of its original, and asks for one only where that leads nowhere', async () => {
    const original = cluster([{ host: '127.0.0.1', port: node.port }], { lazyConnect: true });
    await original.connect();
    const asked = node.count('cluster', 'slots');
    assert.equal(asked, 1);
    const copy = original.duplicate();
    open.push(copy);
    assert.equal(await copy.call('echo', 'a'), 'echo a');
    assert.equal(copy.status, 'ready');
    assert.deepEqual(copy.slots[7], original.slots[7]);
    assert.equal(node.count('cluster', 'slots'), asked);
    // Other seeds may be another cluster; a client that is not connected has nothing to give.
    const elsewhere = original.duplicate([{ host: '127.0.0.1', port: node.port }], { lazyConnect: true });
    open.push(elsewhere);
    await elsewhere.connect();
    assert.equal(node.count('cluster', 'slots'), asked + 1);
    // What answers but says nothing of its state is asked for the map.
    const answer = node.answer;
    node.answer = (argv, socket) => (argv[1] === 'INFO' ? '-ERR no\r\n' : answer(argv, socket));
    const third = original.duplicate([], { lazyConnect: true });
    open.push(third);
    await third.connect();
    assert.equal(node.count('cluster', 'slots'), asked + 2);
  });

  it('a duplicate whose inherited node is gone connects by its seeds', async () => {
    const gone = await oneNode();
    const original = cluster([
      { host: '127.0.0.1', port: node.port },
      { host: '127.0.0.1', port: gone.port },
    ]);
    node.answer = (argv) => {
      if (argv[0] !== 'cluster') return bulk('pong');
      return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [gone] }]) : clusterOk;
    };
    await original.ping();
    assert.equal(original.slots[0]?.[0], gone.key);
    node.answer = (argv) => {
      if (argv[0] !== 'cluster') return bulk('pong');
      return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
    };
    const copy = original.duplicate([], { lazyConnect: true });
    open.push(copy);
    original.disconnect();
    await gone.close();
    await copy.connect();
    assert.equal(copy.slots[0]?.[0], node.key);
  });
});

describe('client: connecting again', () => {
  it('is not held against it that disconnect() broke the round before off', async () => {
    const node = await oneNode();
    const answer = node.answer;
    let asked = (): void => undefined;
    const hanging = new Promise<void>((resolve) => {
      asked = resolve;
    });
    node.answer = (argv, socket) => {
      if (argv[0] !== 'cluster') return answer(argv, socket);
      asked();
      return undefined;
    };
    const client = new Cluster([node.key]);
    const errors: Error[] = [];
    client.on('error', (error: Error) => errors.push(error));
    try {
      await hanging;
      node.answer = answer;
      client.disconnect();
      await client.connect();
      assert.equal(client.status, 'ready');
      assert.equal(await client.get('k'), 'get k');
      assert.deepEqual(errors, []);
    } finally {
      client.disconnect();
      await node.close();
    }
  });
});

describe('client: a single node', () => {
  let node: FakeNode;
  let redis: Redis;
  beforeEach(async () => {
    node = await oneNode();
  });
  afterEach(async () => {
    redis?.disconnect();
    await node.close();
  });

  it('connects, answers, quits', async () => {
    redis = new Redis(node.port);
    assert.equal(await redis.get('k'), 'get k');
    assert.equal(redis.status, 'ready');
    assert.equal(await redis.quit(), 'OK');
    assert.equal(redis.status, 'end');
    assert.equal((await failure(redis.get('k'))).message, 'Connection is closed.');
  });

  it('reconnects by retryStrategy and sends again what was lost', async () => {
    redis = new Redis({ port: node.port, retryStrategy: () => 10 });
    await redis.get('k');
    node.cut();
    assert.equal(await redis.get('after'), 'get after');
  });

  it('rejects waiting commands after maxRetriesPerRequest reconnections', async () => {
    redis = new Redis({ port: await deadPort(), retryStrategy: () => 1, maxRetriesPerRequest: 2 });
    const error = await failure(redis.get('k'));
    assert.equal(error.name, 'MaxRetriesPerRequestError');
    assert.match(error.message, /which is 2/);
  });

  it('stops when retryStrategy says so', async () => {
    redis = new Redis({ port: await deadPort(), retryStrategy: () => null });
    await failure(redis.get('k'));
    assert.equal(redis.status, 'end');
  });

  it('ends in order when retryStrategy throws, and lets the process see it', async () => {
    redis = new Redis({
      port: node.port,
      retryStrategy: () => {
        throw new Error('of the user');
      },
    });
    await redis.get('k');
    const hanging = failure(redis.call('hang'));
    while (node.count('hang') === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const thrown = new Promise<Error>((resolve) => process.once('uncaughtException', resolve));
    try {
      node.cut();
      assert.equal((await thrown).message, 'of the user');
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
    assert.equal((await hanging).message, 'Connection is closed.');
    assert.equal(redis.status, 'end');
  });

  it('asks at growing intervals a server that refuses it at every try', async () => {
    node.answer = ([name]) => (name === 'info' ? '-NOAUTH Authentication required.\r\n' : '+OK\r\n');
    const times: number[] = [];
    redis = new Redis({ port: node.port, retryStrategy: (attempt) => (times.push(attempt) < 5 ? 1 : null) });
    assert.equal((await failure(redis.get('k'))).message, 'NOAUTH Authentication required.');
    await new Promise((resolve) => redis.once('end', resolve));
    assert.deepEqual(times, [1, 2, 3, 4, 5]);
  });

  it('drops what has not been sent when a signal fires, and lets go of what has', async () => {
    redis = new Redis({ port: node.port, lazyConnect: true, keyPrefix: 'p:' });
    const [before, after] = [new AbortController(), new AbortController()];
    const held = failure(redis.withAbortSignal(before.signal).get('never'));
    before.abort();
    assert.equal((await held).name, 'AbortError');
    const hanging = failure(redis.withAbortSignal(after.signal).call('hang', 'k'));
    while (node.count('hang') === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    after.abort();
    assert.equal((await hanging).name, 'AbortError');
    assert.deepEqual(
      node.commands.filter((text) => !text.startsWith('info')),
      ['hang k'],
    );
  });

  it('ends with its block', async () => {
    let made: Redis;
    {
      await using client = new Redis(node.port);
      made = client;
      assert.equal(await client.get('k'), 'get k');
    }
    assert.equal(made.status, 'end');
    redis = made;
  });

  it('surfaces MOVED as the error it is', async () => {
    node.answer = (argv) => (argv[0] === 'get' ? '-MOVED 1 127.0.0.1:1\r\n' : '+OK\r\n');
    redis = new Redis(node.port);
    assert.equal((await failure(redis.get('k'))).message, 'MOVED 1 127.0.0.1:1');
  });
});
