import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { slotOf } from '../../../../lib/wire/slot.ts';
import { type BundledNode, startCluster, startNode } from '../../../../server/index.ts';
import type { RdbKey } from '../../../../server/persistence/rdb/file.ts';
import { CopyReader } from '../../../../server/replication/rdb-transfer.ts';
import { ask, info } from '../../../kit/ask.ts';
import { encode, RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';
import { untilEqual, untilLinked, write } from './kit.ts';

// Replication of our own nodes: the dialogue byte for byte as captured from redis-server, and its limits.

interface Vector {
  readonly name: string;
  readonly sent: string[][];
  readonly receivedHex: string;
}
const { vectors } = JSON.parse(readFileSync('test/fixtures/repl-vectors.json', 'utf8')) as { vectors: Vector[] };
const vectorOf = (name: string): Vector => vectors.find((vector) => vector.name === name)!;

/** Shakes hands with a replica as a master does; `onPsync` has the rest. */
async function scriptedMaster(onPsync: (socket: Socket) => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      if (text.includes('PING')) socket.write('+PONG\r\n');
      if (text.includes('capa')) socket.write('+OK\r\n+OK\r\n');
      if (text.includes('PSYNC')) onPsync(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const nodes: BundledNode[] = [];
async function start(config: Record<string, string> = {}): Promise<BundledNode> {
  const node = await startNode({ config });
  nodes.push(node);
  return node;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const follow = (replica: BundledNode, master: BundledNode): Promise<unknown> =>
  ask(replica, 'REPLICAOF', '127.0.0.1', master.port);

/** A replica made by hand: sends what the test gives it, keeps every byte it gets. */
class HandReplica {
  readonly socket: Socket;
  text = '';
  closed = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
    });
    this.socket.on('close', () => {
      this.closed = true;
    });
    this.socket.on('error', () => undefined);
  }

  say(...commands: readonly (readonly string[])[]): void {
    this.socket.write(Buffer.concat(commands.map((words) => encode(words))));
  }

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    await until(`${pattern} comes`, async () => pattern.test(this.text));
    return pattern.exec(this.text)!;
  }
}

/** What came after the replies to REPLCONF: the answer to PSYNC, the copy and the stream. */
function readFull(text: string): { id: string; offset: number; header: string; keys: RdbKey[]; stream: string } {
  const match = /\+FULLRESYNC ([0-9a-f]{40}) (\d+)\r\n\n*(\$[^\r]+)\r\n/.exec(text)!;
  const keys: RdbKey[] = [];
  const reader = new CopyReader(match[3]!, { onKey: (key) => void keys.push(key) }, 16);
  const rest = reader.feed(Buffer.from(text.slice(match.index + match[0].length), 'latin1'));
  assert.ok(reader.done, 'the copy is whole');
  return { id: match[1]!, offset: Number(match[2]), header: match[3]!, keys, stream: rest.toString('latin1') };
}

const ping = '*1\r\n$4\r\nping\r\n';
const selected = '*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n';

describe('replication of our nodes', function () {
  this.timeout(30_000);
  const hands: HandReplica[] = [];
  const replicaOf = (node: BundledNode): HandReplica => {
    const hand = new HandReplica(node.port);
    hands.push(hand);
    return hand;
  };

  afterEach(async () => {
    for (const { socket } of hands.splice(0)) socket.destroy();
    await Promise.all(nodes.splice(0).map((node) => node.kill()));
  });

  describe('says as a master what was captured', () => {
    it('with a mark, the stream only after the first ACK', async () => {
      const master = await start();
      await ask(master, 'SET', 'k', 'v');
      const hand = replicaOf(master);
      hand.say(...vectorOf('fullsync_eof_with_ack').sent);
      await hand.until(/\$EOF:(.{40})\r\n[\s\S]*\1$/);
      assert.ok(hand.text.startsWith('+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC '));
      await ask(master, 'set', 'after', '1');
      await ask(master, 'EXPIRE', 'after', '1000');
      await sleep(30);
      const before = readFull(hand.text);
      assert.deepEqual([before.offset, before.stream, before.header.length], [0, '', 45]);
      assert.deepEqual(
        before.keys.map(({ key }) => key),
        ['k'],
      );
      hand.say(['REPLCONF', 'ACK', '0']);
      await hand.until(/PEXPIREAT/);
      const { stream } = readFull(hand.text);
      const at = await ask(master, 'PEXPIRETIME', 'after');
      const expected = `${selected}*3\r\n$3\r\nset\r\n$5\r\nafter\r\n$1\r\n1\r\n*3\r\n$9\r\nPEXPIREAT\r\n$5\r\nafter\r\n$13\r\n${at}\r\n`;
      assert.equal(stream, expected);
      assert.equal(Number((await info(master))['master_repl_offset']), expected.length);
    });

    it('with a length, the stream at once', async () => {
      const master = await start();
      await ask(master, 'SET', 'k', 'v');
      const hand = replicaOf(master);
      hand.say(...vectorOf('fullsync_disk').sent);
      await hand.until(/\$\d+\r\nREDIS0010/);
      await ask(master, 'set', 'after3', '1');
      await hand.until(/after3/);
      const { header, stream } = readFull(hand.text);
      assert.match(header, /^\$\d+$/);
      assert.equal(stream, `${selected}*3\r\n$3\r\nset\r\n$6\r\nafter3\r\n$1\r\n1\r\n`);
    });

    it('+CONTINUE with exactly the bytes that are missing, FULLRESYNC for what is not known', async () => {
      const master = await start();
      const first = replicaOf(master);
      first.say(['PSYNC', '?', '-1']);
      await first.until(/REDIS0010/);
      for (let at = 0; at < 5; at++) await ask(master, 'INCR', 'n');
      const { id, stream } = await (async () => {
        await until('all came', async () => readFull(first.text).stream.split('INCR').length === 6);
        return readFull(first.text);
      })();
      const end = stream.length;
      const said = vectorOf('partial').sent.slice(0, 3);
      const partial = replicaOf(master);
      partial.say(...said, ['PSYNC', id, String(end + 1 - 20)]);
      await partial.until(/\+CONTINUE/);
      assert.equal(partial.text, `+PONG\r\n+OK\r\n+OK\r\n+CONTINUE ${id}\r\n${stream.slice(-20)}`);
      const nothing = replicaOf(master);
      nothing.say(['PSYNC', id, String(end + 1)]);
      await nothing.until(/\+CONTINUE\r\n$/);
      for (const [name, next] of [
        [id, end + 2],
        [id, 0],
        ['f'.repeat(40), end + 1],
      ] as const) {
        const hand = replicaOf(master);
        hand.say(['PSYNC', name, String(next)]);
        await hand.until(new RegExp(`^\\+FULLRESYNC ${id} ${end}\r\n`));
      }
      const stats = await info(master, 'stats');
      assert.deepEqual([stats['sync_full'], stats['sync_partial_ok'], stats['sync_partial_err']], ['4', '2', '3']);
    });

    it('SYNC: the copy and then the stream, without a line before', async () => {
      const master = await start();
      await ask(master, 'SET', 'k', 'v');
      const hand = replicaOf(master);
      hand.say(['SYNC']);
      await hand.until(/^\n*\$\d+\r\nREDIS0010/);
      await ask(master, 'SET', 'k', 'w');
      await hand.until(/SET\r\n\$1\r\nk\r\n\$1\r\nw\r\n$/);
    });

    it('a copy of the functions alone has no keys, and a copy alone no stream', async () => {
      const master = await start();
      await ask(master, 'SET', 'k', 'v');
      const hand = replicaOf(master);
      hand.say(['REPLCONF', 'rdb-only', '1'], ['REPLCONF', 'rdb-filter-only', 'functions'], ['PSYNC', '?', '-1']);
      await hand.until(/REDIS0010/);
      await ask(master, 'SET', 'k', 'w');
      await sleep(30);
      const { keys, stream } = readFull(hand.text);
      assert.deepEqual([keys, stream], [[], '']);
    });
  });

  describe('replicates effects', () => {
    /** The words of the stream while `commands` run. */
    async function effectsOf(commands: readonly (readonly string[])[]): Promise<string[]> {
      const master = await start();
      const hand = replicaOf(master);
      hand.say(['PSYNC', '?', '-1']);
      await hand.until(/REDIS0010/);
      const client = await RespClient.connect(master.port);
      for (const argv of commands) await client.call(...argv);
      await client.call('SET', 'the', 'end');
      client.close();
      await hand.until(/end\r\n$/);
      const words: string[] = [];
      const { stream } = readFull(hand.text);
      const commandPattern = /\*(\d+)\r\n((?:\$\d+\r\n[^\r]*\r\n)+)/g;
      for (const [, , body] of stream.matchAll(commandPattern)) {
        words.push([...body!.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map(([, word]) => word).join(' '));
      }
      assert.deepEqual([words[0], words.at(-1)], ['SELECT 0', 'SET the end']);
      return words.slice(1, -1).map((line) => line.replace(/\b17\d{11}\b|\b18\d{11}\b/, '<time>'));
    }

    it('absolute times, results of chance, transactions as one, deletions of what ran out', async () => {
      const effects = await effectsOf([
        ['set', 'a', '1', 'EX', '100'],
        ['EXPIRE', 'a', '50'],
        ['EXPIRE', 'a', '-1'],
        ['SADD', 's', 'x'],
        ['SPOP', 's'],
        ['INCRBYFLOAT', 'f', '1.5'],
        ['GET', 'f'],
        ['MULTI'],
        ['INCR', 'n'],
        ['GET', 'n'],
        ['DEL', 'n', 'nothing'],
        ['EXEC'],
        ['MULTI'],
        ['INCR', 'm'],
        ['EXEC'],
        ['PUBLISH', 'ch', 'hello'],
        ['SELECT', '2'],
        ['SET', 'other', 'db'],
        ['SELECT', '0'],
      ]);
      assert.deepEqual(effects, [
        'SET a 1 PXAT <time>',
        'PEXPIREAT a <time>',
        'DEL a',
        'SADD s x',
        'SREM s x',
        'SET f 1.5 KEEPTTL',
        'MULTI',
        'INCR n',
        'DEL n nothing',
        'EXEC',
        'INCR m',
        'PUBLISH ch hello',
        'SELECT 2',
        'SET other db',
        'SELECT 0',
      ]);
    });

    it('keys that run out are deleted by the master alone; replicas hide them until then', async () => {
      const master = await start();
      const replica = await start();
      await follow(replica, master);
      await untilLinked(replica);
      await ask(master, 'DEBUG', 'SET-ACTIVE-EXPIRE', '0').catch(() => undefined);
      await ask(master, 'SET', 'short', 'v', 'PX', '30');
      await until('it is there', async () => (await ask(replica, 'DBSIZE')) === 1);
      await until('it is hidden', async () => (await ask(replica, 'GET', 'short')) === null);
      assert.equal(await ask(master, 'GET', 'short'), null);
      await untilEqual(master, replica);
      assert.equal(await ask(replica, 'DBSIZE'), 0);
    });
  });

  describe('receives as a replica what was captured', () => {
    let server: Server | undefined;
    afterEach(() => server?.close());

    /** A master that answers the handshake, then plays captured bytes; gives what it heard since. */
    async function play(name: string, pieces: number): Promise<{ node: BundledNode; heard: () => string }> {
      const bytes = Buffer.from(vectorOf(name).receivedHex, 'hex');
      let heard = '';
      const master = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.on('data', (chunk) => {
          const text = chunk.toString('latin1');
          heard += text;
          if (text.includes('PING')) socket.write('+PONG\r\n');
          for (const _ of text.matchAll(/listening-port|ip-address|capa\r\n\$3\r\neof/g)) socket.write('+OK\r\n');
          if (!text.includes('PSYNC')) return;
          const size = Math.ceil(bytes.length / pieces);
          const send = (at: number): void => {
            if (at >= bytes.length || socket.destroyed) return;
            socket.write(bytes.subarray(at, at + size));
            setImmediate(send, at + size);
          };
          send(0);
        });
      });
      server = master;
      await new Promise<void>((resolve) => master.listen(0, '127.0.0.1', resolve));
      const { port } = master.address() as { port: number };
      const node = await start();
      await ask(node, 'REPLICAOF', '127.0.0.1', port);
      await untilLinked(node);
      return { node, heard: () => heard };
    }

    for (const pieces of [1, 100]) {
      it(`a marked copy and its stream in ${pieces} pieces, acknowledged`, async () => {
        const { node, heard } = await play('fullsync_eof_with_ack', pieces);
        const stream = `${ping}${selected}*3\r\n$3\r\nset\r\n$5\r\nafter\r\n$1\r\n1\r\n*3\r\n$9\r\nPEXPIREAT\r\n$5\r\nafter\r\n$13\r\n1795338188201\r\n${ping}`;
        await until('the offset is right', async () => {
          return Number((await info(node))['slave_repl_offset']) === 773 + stream.length;
        });
        // With the two that have run out since: no DEL has reached the replica.
        assert.equal(await ask(node, 'DBSIZE'), 9);
        assert.equal(await ask(node, 'GET', 'after'), null);
        assert.deepEqual(await ask(node, 'LRANGE', 'l', '0', '-1'), ['a', 'b', 'c']);
        assert.match(heard(), /ACK\r\n\$3\r\n773\r\n/);
        const sent = heard().split('*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK')[0];
        const said: (readonly string[])[] = vectorOf('fullsync_eof_with_ack').sent.map((words) =>
          words[1] === 'listening-port' ? ['REPLCONF', 'listening-port', String(node.port)] : words,
        );
        assert.equal(sent, said.map((words) => encode(words).toString('latin1')).join(''));
      });
    }

    it('a copy with a length', async () => {
      const { node } = await play('fullsync_disk', 7);
      await until('the stream was applied', async () => (await ask(node, 'GET', 'after3')) === '1');
      assert.equal(Number((await info(node))['slave_repl_offset']), 974 + selected.length + 32 + ping.length);
    });
  });

  it('a replica answers as one: ROLE, INFO, refusals; REPLICAOF NO ONE makes it a master with its data', async () => {
    const master = await start();
    const replica = await start();
    await ask(master, 'SET', 'k', 'v');
    assert.equal(String(await ask(replica, 'REPLICAOF', '127.0.0.1', master.port)), 'OK');
    await untilLinked(replica);
    assert.match(String(await follow(replica, master)), /^OK Already connected/);
    assert.deepEqual([master.role, replica.role], ['master', 'replica']);
    assert.deepEqual(await ask(replica, 'ROLE'), ['slave', '127.0.0.1', master.port, 'connected', 0]);
    await assert.rejects(ask(replica, 'SET', 'k', 'w'), /^ReplyError: READONLY/);
    await assert.rejects(ask(replica, 'WAIT', '1', '1'), /WAIT cannot be used with replica instances/);
    await assert.rejects(ask(replica, 'REPLICAOF', '127.0.0.1', 'x'), /^ReplyError: ERR Invalid master port$/);
    assert.deepEqual(await ask(replica, 'CONFIG', 'GET', 'replicaof'), ['replicaof', `127.0.0.1 ${master.port}`]);
    assert.match(String(await ask(master, 'CLIENT', 'LIST', 'TYPE', 'replica')), /flags=S /);
    await ask(replica, 'CONFIG', 'SET', 'replica-read-only', 'no');
    await ask(replica, 'SET', 'own', '1');
    assert.equal(await ask(replica, 'GET', 'k'), 'v');
    assert.equal(String(await ask(replica, 'REPLICAOF', 'NO', 'ONE')), 'OK');
    assert.deepEqual(await ask(replica, 'ROLE'), ['master', 0, []]);
    await ask(replica, 'SET', 'k', 'w');
    assert.equal(await ask(master, 'GET', 'k'), 'v');
  });

  it('a replica without its master serves old data, or refuses to; one that never had any is not ready', async () => {
    const master = await start();
    const replica = await start();
    await ask(master, 'SET', 'k', 'v');
    await follow(replica, master);
    await untilLinked(replica);
    const { port } = master;
    await master.kill();
    await until('the link is lost', async () => (await info(replica))['master_link_status'] === 'down');
    assert.equal(await ask(replica, 'GET', 'k'), 'v');
    await ask(replica, 'CONFIG', 'SET', 'replica-serve-stale-data', 'no');
    await assert.rejects(ask(replica, 'GET', 'k'), /^ReplyError: MASTERDOWN/);
    assert.deepEqual(await ask(replica, 'ROLE'), ['slave', '127.0.0.1', port, 'connect', -1]);
    await ask(replica, 'CONFIG', 'SET', 'replica-serve-stale-data', 'yes');
    const third = await start();
    await follow(third, replica);
    await sleep(50);
    assert.equal((await info(third))['master_link_status'], 'down');
    await assert.rejects(ask(replica, 'PSYNC', '?', '-1'), /^ReplyError: NOMASTERLINK/);
  });

  it('WAIT counts replicas that have the write, and no other', async () => {
    const master = await start();
    const replicas = [await start(), await start()];
    for (const replica of replicas) await follow(replica, master);
    for (const replica of replicas) await untilLinked(replica);
    for (let at = 0; at < 20; at++) {
      await ask(master, 'INCR', 'n');
      assert.equal(await ask(master, 'WAIT', '2', '5000'), 2);
    }
    replicas[0]!.pause();
    await ask(master, 'INCR', 'n');
    assert.equal(await ask(master, 'WAIT', '1', '5000'), 1);
    assert.equal(await ask(master, 'WAIT', '2', '50'), 1);
    replicas[0]!.resume();
    assert.equal(await ask(master, 'WAIT', '2', '5000'), 2);
    assert.equal(await ask(master, 'WAIT', '3', '1'), 2);
  });

  it('min-replicas-to-write: NOREPLICAS while too few were heard lately', async () => {
    const master = await start({ 'min-replicas-to-write': '1', 'min-replicas-max-lag': '1' });
    await assert.rejects(ask(master, 'SET', 'k', 'v'), /NOREPLICAS Not enough good replicas to write\./);
    const replica = await start();
    await follow(replica, master);
    await until('it may write', async () => String(await ask(master, 'SET', 'k', 'v')) === 'OK');
    assert.equal((await info(master))['min_slaves_good_slaves'], '1');
    replica.pause();
    await until('it may not', async () => {
      return ask(master, 'SET', 'k', 'v').then(
        () => false,
        (error: Error) => error.message.startsWith('NOREPLICAS'),
      );
    });
  });

  it('a replica that does not read is let go at its limit, and the master keeps no more than that', async () => {
    const limit = 1024 * 1024;
    const master = await start({
      'client-output-buffer-limit': `slave ${limit} 0 0`,
      'repl-backlog-size': '16384',
    });
    const hand = replicaOf(master);
    hand.say(['PSYNC', '?', '-1']);
    await hand.until(/REDIS0010/);
    hand.socket.pause();
    let gone = false;
    for (let at = 0; at < 400 && !gone; at++) {
      await ask(master, 'SET', 'k', 'x'.repeat(100_000));
      gone = (await info(master))['connected_slaves'] === '0';
    }
    assert.ok(gone);
    const backlog = await info(master);
    assert.equal(backlog['repl_backlog_histlen'], '16384');
  });

  it('a slow copy keeps what is written meanwhile, up to the limit', async () => {
    const master = await start({ 'client-output-buffer-limit': 'slave 1mb 0 0' });
    // Bytes that do not compress, more than the buffers of the two sockets take.
    for (let at = 0; at < 25; at++) await ask(master, 'SET', `k${at}`, randomBytes(1024 * 1024).toString('latin1'));
    const hand = replicaOf(master);
    hand.socket.pause();
    hand.say(['PSYNC', '?', '-1']);
    await until('it is copied to', async () => (await info(master))['slave0']?.includes('state=send_bulk'));
    for (let at = 0; at < 30; at++) await ask(master, 'SET', 'k', String(at).repeat(50_000));
    assert.equal((await info(master))['connected_slaves'], '0');
  });

  it('a master that falls silent is given up in time, and dialled again', async () => {
    const world = new ManualWorld();
    const dials: Socket[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      dials.push(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const replica = await startNode({ world });
    nodes.push(replica);
    try {
      await ask(replica, 'REPLICAOF', '127.0.0.1', (server.address() as { port: number }).port);
      await until('it dials', async () => dials.length === 1);
      world.forward(59_000);
      await sleep(20);
      assert.ok(!dials[0]!.destroyed && dials.length === 1);
      world.forward(3000);
      await until('it dials again', async () => {
        world.forward(100);
        return dials.length === 2;
      });
      assert.match(
        world.lines.join('\n'),
        /MASTER timeout: no data nor PING received|Timeout receiving bulk data|Timeout connecting to the MASTER/,
      );
    } finally {
      for (const socket of dials) socket.destroy();
      server.close();
    }
  });

  it('while its first copy comes a replica is loading; one that has old data serves it', async () => {
    const bytes = Buffer.from(vectorOf('fullsync_disk').receivedHex, 'hex');
    const waiting: Socket[] = [];
    const server = await scriptedMaster((socket) => {
      socket.write(bytes.subarray(0, 300));
      waiting.push(socket);
    });
    const [empty, full] = [await start(), await start()];
    await ask(full, 'SET', 'k1', 'old');
    try {
      for (const node of [empty, full]) {
        await ask(node, 'REPLICAOF', '127.0.0.1', (server.address() as { port: number }).port);
        await until('the copy is on its way', async () => Number((await info(node))['master_sync_read_bytes']) > 100);
      }
      await assert.rejects(ask(empty, 'GET', 'k1'), /^ReplyError: LOADING /);
      assert.equal(await ask(full, 'GET', 'k1'), 'old');
      const view = await info(empty);
      assert.deepEqual([view['master_sync_in_progress'], view['master_sync_total_bytes']], ['1', '381']);
      assert.deepEqual(((await ask(empty, 'ROLE')) as unknown[]).slice(3), ['sync', -1]);
      // Nobody is bound to a copy that does not come.
      assert.equal(String(await ask(empty, 'REPLICAOF', 'NO', 'ONE')), 'OK');
      assert.equal(await ask(empty, 'GET', 'k1'), null);
      for (const socket of waiting) socket.write(bytes.subarray(300));
      await untilLinked(full);
      assert.equal(await ask(full, 'GET', 'k1'), 'v1');
    } finally {
      for (const socket of waiting) socket.destroy();
      server.close();
    }
  });

  it('a slot that moves moves on the replicas of both masters too', async () => {
    const cluster = await startCluster({ masters: 2, replicas: 1 });
    try {
      const [from, to, fromReplica, toReplica] = cluster.nodes as [BundledNode, BundledNode, BundledNode, BundledNode];
      const slot = slotOf('{1bz}');
      for (let at = 0; at < 50; at++) {
        await ask(from, 'RPUSH', `{1bz}l${at}`, 'a', at);
        await ask(from, 'SET', `{1bz}s${at}`, at, 'EX', '1000');
      }
      assert.equal(await cluster.moveSlot(slot, to), 100);
      await untilEqual(from, fromReplica);
      await untilEqual(to, toReplica);
      assert.deepEqual([await ask(fromReplica, 'DBSIZE'), await ask(toReplica, 'DBSIZE')], [0, 100]);
    } finally {
      await cluster.close();
    }
  });

  it('a replica logs the copy and the stream: without its master it has both after a restart', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lingcache-replication-'));
    try {
      const chance = new ManualWorld({ seed: 9 });
      const master = await start();
      await write(master, chance, 500);
      const replica = await start({ dir, appendonly: 'yes', appendfsync: 'always', save: '' });
      await follow(replica, master);
      await untilLinked(replica);
      await write(master, chance, 500);
      await sleep(100);
      await untilEqual(master, replica);
      const digest = String(await ask(master, 'DEBUG', 'DIGEST'));
      await until('the log is of the copy', async () => {
        return (await info(replica, 'persistence'))['aof_rewrite_in_progress'] === '0';
      });
      await master.kill();
      await replica.restart();
      assert.equal(String(await ask(replica, 'DEBUG', 'DIGEST')), digest);
    } finally {
      await Promise.all(nodes.splice(0).map((node) => node.kill()));
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('a stopped master that goes on has lost nothing; its replica neither', async () => {
    const chance = new ManualWorld({ seed: 5 });
    const master = await start();
    const replica = await start();
    await follow(replica, master);
    await untilLinked(replica);
    master.pause();
    const writing = write(master, chance, 500);
    await sleep(50);
    master.resume();
    await writing;
    replica.pause();
    await write(master, chance, 500);
    replica.resume();
    await untilEqual(master, replica);
    assert.equal((await info(master, 'stats'))['sync_full'], '1');
  });

  it('a copy that is cut short changes nothing: the old data is served until the next is whole', async () => {
    const replica = await start();
    await ask(replica, 'SET', 'old', 'data');
    const bytes = Buffer.from(vectorOf('fullsync_disk').receivedHex, 'hex');
    let dials = 0;
    const server = await scriptedMaster((socket) => {
      dials++;
      if (dials < 3) socket.end(bytes.subarray(0, 300 + dials));
      else if (dials === 3) socket.end(Buffer.concat([bytes.subarray(0, 350), Buffer.alloc(200, 7)]));
      else socket.write(bytes);
    });
    try {
      await ask(replica, 'REPLICAOF', '127.0.0.1', (server.address() as { port: number }).port);
      await until('it was tried', async () => dials >= 3 && (await ask(replica, 'GET', 'old')) === 'data');
      await untilLinked(replica);
      assert.equal(await ask(replica, 'GET', 'old'), null);
      assert.equal(await ask(replica, 'GET', 'k1'), 'v1');
    } finally {
      server.close();
    }
  });
});
