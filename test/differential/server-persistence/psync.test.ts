import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type BundledNode, startNode } from '../../../server/index.ts';
import { ask } from '../../kit/ask.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { encode } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';

// What a master sends to a replica, byte for byte: the dialogues that were captured, held with our node and with
// redis-server. Only what differs from one server to the next is made alike: names of streams, marks, offsets, times,
// memory, checksums.

interface Vector {
  readonly name: string;
  readonly sent?: readonly (readonly string[])[];
}
const { vectors } = JSON.parse(readFileSync('test/fixtures/repl-vectors.json', 'utf8')) as { vectors: Vector[] };

const config = { 'repl-diskless-sync-delay': '0', 'repl-ping-replica-period': '3600' };
type Node = BundledNode | RealNode;

/** A replica that sends what the test gives it. */
class Hand {
  text = '';
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (chunk) => (this.text += chunk.toString('latin1')));
    this.socket.on('error', () => undefined);
  }

  /** One after the other, each once the one before was answered: redis-server insists on it. */
  async say(...rows: readonly (readonly string[])[]): Promise<void> {
    for (const row of rows) {
      const before = this.text.length;
      this.socket.write(encode(row));
      if (row[1] !== 'ACK') await until(`${row[0]} is answered`, () => this.text.length > before);
    }
  }

  /** Until what came matches, and no more comes for a moment. */
  async heard(pattern: RegExp): Promise<void> {
    await until(`${pattern} is heard`, () => pattern.test(this.text));
    let before = '';
    while (before !== this.text) {
      before = this.text;
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  }
}

function alike(text: string): string {
  const offset = String.raw`(?:\xc0.|\xc1..|\xc2....)`;
  return (
    text
      // First, since its last byte may be a hex digit beside those of the mark.
      .replace(/(\x02k1\x02v1\xff).{8}/s, '$1<sum>')
      .replaceAll(/[0-9a-f]{40}/g, '<40>')
      .replaceAll(/FULLRESYNC <40> \d+/g, 'FULLRESYNC <40> <at>')
      // A master whose copy is not ready says a line end now and then, once a second by its own clock.
      .replaceAll(/(FULLRESYNC <40> <at>\r\n)\n+/g, '$1')
      .replace(/(\x05ctime)\xc2.{4}/s, '$1<time>')
      .replace(/(\x08used-mem)\xc2.{4}/s, '$1<bytes>')
      .replace(new RegExp(String.raw`(\x0brepl-offset)${offset}`, 's'), '$1<at>')
      .replace(/\r\n\$\d+\r\nREDIS/, '\r\n$<length>\r\nREDIS')
  );
}

describe('the stream of a master, our node against redis-server', function () {
  this.timeout(30_000);
  let nodes: [BundledNode, RealNode];

  before(async function () {
    needRedisServer(this);
    const args = Object.entries(config).flatMap(([name, value]) => [`--${name}`, value]);
    nodes = [await startNode({ config }), await startRealNode(args)];
    for (const node of nodes) await ask(node, 'SET', 'k1', 'v1');
  });
  after(() => Promise.all((nodes ?? []).map((node) => node.kill())));

  const sentOf = (name: string): readonly (readonly string[])[] =>
    vectors.find((vector) => vector.name === name)!.sent!;

  async function same(talk: (node: Node, hand: Hand) => Promise<void>): Promise<string> {
    const texts: string[] = [];
    for (const node of nodes) {
      const hand = new Hand(node.port);
      await talk(node, hand);
      hand.socket.destroy();
      texts.push(alike(hand.text));
      // Each dialogue begins with the same data and without replicas.
      await until('the replica is gone', async () =>
        /connected_slaves:0/.test(String(await ask(node, 'INFO', 'replication'))),
      );
      await ask(node, 'DEL', 'after');
    }
    assert.equal(texts[0], texts[1]);
    return texts[0]!;
  }

  it('a copy with a mark, the stream once it was acknowledged', async () => {
    const text = await same(async (node, hand) => {
      await hand.say(...sentOf('fullsync_eof_with_ack'));
      await hand.heard(/k1\x02v1\xff.{48}$/s);
      await hand.say(['REPLCONF', 'ACK', '0']);
      await ask(node, 'SET', 'after', '1');
      await hand.heard(/after/);
    });
    assert.match(text, /^\+PONG\r\n\+OK\r\n\+OK\r\n\+FULLRESYNC <40> <at>\r\n\$EOF:<40>\r\nREDIS0010/);
    assert.match(
      text,
      /<sum><40>\*2\r\n\$6\r\nSELECT\r\n\$1\r\n0\r\n\*3\r\n\$3\r\nSET\r\n\$5\r\nafter\r\n\$1\r\n1\r\n$/,
    );
  });

  it('no stream without the acknowledgement', async () => {
    const text = await same(async (node, hand) => {
      await hand.say(...sentOf('fullsync_eof_no_ack'));
      await hand.heard(/k1\x02v1\xff.{48}$/s);
      await ask(node, 'SET', 'after', '1');
      await new Promise((resolve) => setTimeout(resolve, 100));
    });
    assert.ok(text.endsWith('<sum><40>'));
  });

  it('a copy with a length, the stream right behind it', async () => {
    const text = await same(async (node, hand) => {
      await hand.say(...sentOf('fullsync_disk'));
      await hand.heard(/k1\x02v1\xff.{8}/s);
      await ask(node, 'SET', 'after', '1');
      await hand.heard(/after/);
    });
    assert.match(text, /\$<length>\r\nREDIS0010/);
  });

  for (const [name, distance] of [
    ['partial', -20],
    ['partial_future', 500],
  ] as const) {
    it(`${name}: PSYNC ${distance} bytes from the end`, async () => {
      const text = await same(async (node, hand) => {
        await ask(node, 'SET', 'after', 'much to go on from');
        const info = String(await ask(node, 'INFO', 'replication'));
        const [, id] = /master_replid:(\w+)/.exec(info)!;
        const [, end] = /master_repl_offset:(\d+)/.exec(info)!;
        await ask(node, 'DEL', 'after');
        const grown = /master_repl_offset:(\d+)/.exec(String(await ask(node, 'INFO', 'replication')))![1]!;
        assert.ok(Number(grown) > Number(end));
        await hand.say(...sentOf(name).slice(0, 3), ['PSYNC', id!, String(Number(grown) + 1 + distance)]);
        await hand.heard(distance < 0 ? /\+CONTINUE.*\r\n.{20}$/s : /k1\x02v1\xff.{48}$/s);
      });
      if (distance < 0) assert.ok(text.endsWith('\r\n$3\r\nDEL\r\n$5\r\nafter\r\n'.slice(-20)), text);
      else assert.match(text, /FULLRESYNC/);
    });
  }
});
