// Shard channels against nodes that refuse, contradict each other, keep silent or speak out of turn.

import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions } from '../../../lib/index.ts';
import { slotOf } from '../../../lib/wire/slot.ts';
import { type Answer, bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';

function push(kind: string, channel: string, count: number): string {
  return `>3\r\n${bulk(kind)}${bulk(channel)}:${count}\r\n`;
}

describe('client: shard channels on scripted nodes', () => {
  let a: FakeNode;
  let b: FakeNode;
  let client: Cluster;
  let onSubscribe: (node: FakeNode, argv: readonly string[]) => Answer;

  beforeEach(async () => {
    const answer =
      (self: () => FakeNode) =>
      (argv: readonly string[]): Answer => {
        if (argv[0] === 'cluster') {
          return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [a] }]) : clusterOk;
        }
        if (argv[0] === 'ssubscribe') return onSubscribe(self(), argv);
        if (argv[0] === 'sunsubscribe')
          return argv
            .slice(1)
            .map((name) => push('sunsubscribe', name, 0))
            .join('');
        return argv[0] === 'ping' ? '+PONG\r\n' : '+OK\r\n';
      };
    a = await FakeNode.start(answer(() => a));
    b = await FakeNode.start(answer(() => b));
    onSubscribe = (_node, argv) =>
      argv
        .slice(1)
        .map((name, at) => push('ssubscribe', name, at + 1))
        .join('');
  });
  afterEach(async () => {
    client?.disconnect();
    await Promise.all([a.close(), b.close()]);
  });

  async function connect(options: ClusterOptions = {}): Promise<void> {
    client = new Cluster([a.key], options);
    await client.ping();
  }

  it('rejects what is forbidden, and does not want it any more', async () => {
    await connect();
    onSubscribe = () => '-NOPERM this user has no permissions\r\n';
    await rejects(client.ssubscribe('x'), /NOPERM/);
    a.cut();
    await pause(100);
    equal(a.count('ssubscribe'), 1);
  });

  it('waits for a cluster that is down', async () => {
    await connect();
    let refusals = 3;
    const confirm = onSubscribe;
    onSubscribe = (node, argv) => (refusals-- > 0 ? '-CLUSTERDOWN The cluster is down\r\n' : confirm(node, argv));
    equal(await client.ssubscribe('x'), 1);
    equal(a.count('ssubscribe'), 4);
  });

  it('follows MOVED at once, and backs off from two nodes that name each other', async () => {
    await connect({ retryDeadline: 700 });
    onSubscribe = (node) => `-MOVED ${slotOf('x')} ${(node === a ? b : a).key}\r\n`;
    await rejects(client.ssubscribe('x'), { code: 'ERR_RETRY_DEADLINE' });
    const tries = a.count('ssubscribe') + b.count('ssubscribe');
    ok(tries >= 3 && tries <= 15, String(tries));
    ok(b.count('ssubscribe') >= 1);
  });

  it('does not take a server that unsubscribes on its own for an answer', async () => {
    await connect();
    await client.ssubscribe('old');
    const confirm = onSubscribe;
    onSubscribe = () => undefined;
    const subscribing = client.ssubscribe('new');
    let done = false;
    subscribing.then(() => {
      done = true;
    });
    await until('it is asked', () => a.count('ssubscribe', 'new') === 1);
    a.say(push('sunsubscribe', 'old', 0));
    // The channel that was dropped is asked for again.
    await until('it is asked again', () => a.count('ssubscribe', 'old') === 2);
    equal(done, false);
    onSubscribe = confirm;
    a.say(push('ssubscribe', 'new', 1));
    equal(await subscribing, 1);
  });

  it('replaces a connection that does not acknowledge, and asks for everything again', async () => {
    await connect({ silenceTimeout: 0 });
    await client.ssubscribe('one');
    const confirm = onSubscribe;
    onSubscribe = () => undefined;
    const subscribing = client.ssubscribe('two');
    await until('it is asked', () => a.count('ssubscribe', 'two') === 1);
    onSubscribe = confirm;
    await subscribing;
    // Slots may not share a command: each channel is asked for on the new connection.
    const last = Math.max(...a.seen.filter(({ argv }) => argv[0] === 'ssubscribe').map(({ connection }) => connection));
    const asked = a.seen.filter(({ argv, connection }) => argv[0] === 'ssubscribe' && connection === last);
    deepEqual(asked.flatMap(({ argv }) => argv.slice(1)).sort(), ['one', 'two']);
  });

  it('leaves no socket and no wish unanswered when it disconnects', async () => {
    await connect();
    onSubscribe = () => undefined;
    const waiting = client.ssubscribe('x');
    await until('it is asked', () => a.count('ssubscribe') === 1);
    client.disconnect();
    await rejects(waiting, /Connection is closed/);
    await until('every socket is closed', () => a.open + b.open === 0);
  });
});
