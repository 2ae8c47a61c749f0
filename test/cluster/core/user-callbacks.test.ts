// What users do in listeners and strategies: they end the client there, or connect it anew. Whatever they do, every call
// settles, the client ends once, and nothing connects behind its end. What each does in which order: reentry.test.

import assert from 'node:assert/strict';
import { Cluster, Redis } from '../../../lib/index.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';

const places = ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'error', 'node error', 'strategy'] as const;
const deeds = ['disconnect', 'quit', 'connect', 'disconnect, connect'] as const;
type Place = (typeof places)[number];
type Deed = (typeof deeds)[number];

async function startNode(): Promise<FakeNode> {
  const node: FakeNode = await FakeNode.start((argv) => {
    if (argv[0] === 'cluster' && argv[1]!.toLowerCase() === 'slots')
      return slotsReply([{ start: 0, end: 16383, nodes: [node] }]);
    if (argv[0] === 'cluster') return clusterOk;
    return argv[0] === 'hello' ? '-ERR unknown command\r\n' : bulk('v');
  });
  node.closesOnQuit = true;
  return node;
}

interface Life {
  readonly acted: boolean;
  readonly ends: number;
  readonly outcomes: readonly string[];
  readonly connectionsAfterEnd: number;
}

/** One client on a node that cuts it off once (or is not there), until it has ended. */
async function live(kind: 'cluster' | 'single', there: boolean, place: Place, deed: Deed): Promise<Life> {
  const node = await startNode();
  if (!there) await node.close();
  const outcomes: string[] = [];
  let asked = 0;
  const note = (call: Promise<unknown>): void => {
    const at = asked++;
    outcomes[at] = 'pending';
    call.then(
      () => (outcomes[at] = 'ok'),
      (error: Error) => (outcomes[at] = error.message),
    );
  };
  let acted = false;
  let over = false;
  const act = (): void => {
    if (acted || over) return;
    acted = true;
    for (const one of deed.split(', ')) {
      if (one === 'disconnect') client.disconnect();
      else note(one === 'quit' ? client.quit() : client.connect());
    }
  };
  const strategy = (): number => {
    if (place === 'strategy') act();
    return 5;
  };
  const client: Cluster | Redis =
    kind === 'cluster'
      ? new Cluster([{ host: '127.0.0.1', port: node.port }], { clusterRetryStrategy: strategy })
      : new Redis({ host: '127.0.0.1', port: node.port, retryStrategy: strategy });
  let ends = 0;
  client.on('error', () => undefined);
  client.on('end', () => ends++);
  if (place !== 'strategy') client.on(place, act);
  note(client.get('a'));
  if (there) {
    await until('it has answered, or ended', () => outcomes[0] !== 'pending' || ends > 0);
    if (!acted) {
      node.cut();
      note(client.get('b'));
    }
  } else await until('it has met that place, or tried often', () => acted || client.status === 'reconnecting');
  await until('it rests', () => ['ready', 'reconnecting', 'end', 'connecting', 'connect'].includes(client.status));
  await new Promise((resolve) => setTimeout(resolve, 30));
  over = true;
  client.disconnect();
  await until('it has ended', () => client.status === 'end');
  await until('every call has settled', () => outcomes.every((outcome) => outcome !== 'pending'));
  // A dial from before the end may still wait to be accepted: behind one that has been answered none does.
  if (there) {
    const last = await RespClient.connect(node.port);
    await last.call('get', 'c');
    last.close();
  }
  const before = node.connections;
  await new Promise((resolve) => setTimeout(resolve, 20));
  await node.close();
  return { acted, ends, outcomes, connectionsAfterEnd: node.connections - before };
}

describe('client: what users do in listeners and strategies', function () {
  this.timeout(60_000);
  for (const kind of ['cluster', 'single'] as const) {
    for (const deed of deeds) {
      it(`${kind}: ${deed}`, async () => {
        let acted = 0;
        const cases = places.flatMap((place) => [true, false].map((there) => [place, there] as const));
        await Promise.all(
          cases.map(async ([place, there]) => {
            const life = await live(kind, there, place, deed);
            const where = `${deed} in ${place}, node ${there ? 'there' : 'gone'}: ${JSON.stringify(life)}`;
            assert.equal(life.connectionsAfterEnd, 0, where);
            // Connected anew it may end twice.
            assert.ok(deed.includes('connect') && deed !== 'disconnect' ? life.ends >= 1 : life.ends === 1, where);
            if (life.acted) acted++;
          }),
        );
        assert.ok(acted >= 8, `only ${acted} of ${cases.length} came to their place`);
      });
    }
  }
});
