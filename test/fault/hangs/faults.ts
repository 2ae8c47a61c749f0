// The faults of the hang proof: two nodes that own half of the slots each, and everything that may be wrong with them
// for ever. Nobody takes over.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { slotOf } from '../../../lib/index.ts';
import { type Answer, bulk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { freePort } from '../../kit/ports.ts';

/** What a node does with commands; connections are let in. */
type Mood =
  | 'well'
  | 'mute'
  | 'mute to data'
  | 'drops at each command'
  | 'garbage'
  | 'ping-pong'
  | 'ask in circles'
  | 'cluster down'
  | 'loading'
  | 'try again'
  | 'read only'
  | 'drip';

export interface Scene {
  /** Where clients begin. */
  readonly seeds: { host: string; port: number }[];
  /** The node that owns `key`, and the one a single client talks to. */
  readonly sick: { host: string; port: number };
  /** Lets the fault happen. */
  strike(): void;
  stop(): Promise<void>;
}

export interface HangFault {
  readonly name: string;
  /** Before clients are made, or once they are ready. */
  readonly when: 'start' | 'later';
  set(): Promise<Scene>;
}

/** Owned by the second node, which every fault concerns. */
export const key = 'foo';

class Pair {
  readonly nodes: FakeNode[] = [];
  mood: Mood = 'well';

  async start(): Promise<void> {
    for (let at = 0; at < 2; at++)
      this.nodes.push(await FakeNode.start((argv, socket) => this.#answer(at, argv, socket)));
  }

  #answer(at: number, argv: readonly string[], socket: Socket): Answer {
    // Calls go in circles between both; all else concerns the second.
    const circles = argv.includes(key) && (this.mood === 'ping-pong' || this.mood === 'ask in circles');
    const mood = at === 1 || circles ? this.mood : 'well';
    const name = argv[0]!;
    if (mood === 'mute') return undefined;
    if (mood === 'garbage') return '&&&&\r\n';
    if (mood === 'drops at each command') {
      socket.destroy();
      return undefined;
    }
    if (name === 'cluster') return this.#topology(argv[1]!.toLowerCase(), mood);
    if (name === 'info') return bulk(mood === 'loading' ? 'loading:1\r\nloading_eta_seconds:100\r\n' : 'loading:0\r\n');
    if (name === 'ping') return '+PONG\r\n';
    if (name === 'asking') return '+OK\r\n';
    return trouble(mood, argv, this.nodes[1 - at]!.key, socket) ?? healthy(argv);
  }

  #topology(word: string, mood: Mood): string {
    if (word === 'info') return bulk(`cluster_state:${mood === 'cluster down' ? 'fail' : 'ok'}\r\n`);
    if (word !== 'slots') return '-ERR unknown subcommand\r\n';
    const [a, b] = this.nodes as [FakeNode, FakeNode];
    return slotsReply([
      { start: 0, end: 8191, nodes: [a] },
      { start: 8192, end: 16383, nodes: [b] },
    ]);
  }

  freeze(nodes: readonly FakeNode[]): void {
    for (const node of nodes) {
      node.pause();
      node.shy = true;
    }
  }

  /** Whoever comes while the nodes close is cut off too. */
  async stop(): Promise<void> {
    const cutting = setInterval(() => {
      for (const node of this.nodes) node.cut();
    }, 20);
    await Promise.all(this.nodes.map((node) => node.close()));
    clearInterval(cutting);
  }
}

function trouble(mood: Mood, argv: readonly string[], other: string, socket: Socket): Answer {
  switch (mood) {
    case 'mute to data':
      return '';
    case 'ping-pong':
      return `-MOVED ${slotOf(key)} ${other}\r\n`;
    case 'ask in circles':
      return `-ASK ${slotOf(key)} ${other}\r\n`;
    case 'cluster down':
      return '-CLUSTERDOWN The cluster is down\r\n';
    case 'loading':
      return '-LOADING Redis is loading the dataset in memory\r\n';
    case 'try again':
      return '-TRYAGAIN Multiple keys request during rehashing of slot\r\n';
    case 'read only':
      return argv[0] === 'get' ? undefined : "-READONLY You can't write against a read only replica.\r\n";
    case 'drip': {
      const bytes = Buffer.from(bulk('x'.repeat(5000)));
      let at = 0;
      const timer = setInterval(() => {
        if (socket.destroyed || at >= bytes.length) clearInterval(timer);
        else socket.write(bytes.subarray(at, ++at));
      }, 100);
      timer.unref();
      return '';
    }
    default:
      return undefined;
  }
}

function healthy(argv: readonly string[]): Answer {
  switch (argv[0]) {
    case 'scan':
      return `*2\r\n${bulk('0')}*0\r\n`;
    case 'multi':
      return '+OK\r\n';
    case 'mget':
      return `*${argv.length - 1}\r\n${bulk('x').repeat(argv.length - 1)}`;
    case 'exec':
      return `*1\r\n${bulk('x')}`;
    case 'subscribe':
    case 'psubscribe':
    case 'ssubscribe':
    case 'unsubscribe':
      return `>3\r\n${bulk(argv[0])}${bulk(argv[1] ?? '')}:1\r\n`;
    default:
      return bulk(argv.join(' '));
  }
}

function ofMood(mood: Mood, when: 'start' | 'later' = 'later'): HangFault {
  return {
    name: when === 'start' ? `${mood}, from the start` : mood,
    when,
    async set() {
      const pair = new Pair();
      await pair.start();
      return sceneOf(pair, () => {
        pair.mood = mood;
      });
    },
  };
}

function sceneOf(pair: Pair, strike: () => void): Scene {
  const seeds = pair.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  return { seeds, sick: seeds[1]!, strike, stop: () => pair.stop() };
}

function frozen(
  name: string,
  when: 'start' | 'later',
  choose: (nodes: readonly FakeNode[]) => readonly FakeNode[],
): HangFault {
  return {
    name,
    when,
    async set() {
      const pair = new Pair();
      await pair.start();
      return sceneOf(pair, () => pair.freeze(choose(pair.nodes)));
    },
  };
}

/** A bare TCP server at both addresses. */
function bare(name: string, onSocket: (socket: Socket) => void): HangFault {
  return {
    name,
    when: 'start',
    async set() {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        onSocket(socket);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const at = { host: '127.0.0.1', port: (server.address() as { port: number }).port };
      return {
        seeds: [at],
        sick: at,
        strike: () => undefined,
        async stop() {
          const closed = once(server, 'close');
          server.close();
          const cutting = setInterval(() => {
            for (const socket of sockets) socket.destroy();
          }, 20);
          await closed;
          clearInterval(cutting);
        },
      };
    },
  };
}

const refusing: HangFault = {
  name: 'refuses',
  when: 'start',
  async set() {
    const at = { host: '127.0.0.1', port: await freePort() };
    return { seeds: [at], sick: at, strike: () => undefined, stop: async () => undefined };
  },
};

/** A port whose queue of connections is full and never emptied: what comes is not even refused. */
const blackHole: HangFault = {
  name: 'black hole',
  when: 'start',
  async set() {
    const port = await freePort();
    const script = `require('net').createServer().listen({ port: ${port}, host: '127.0.0.1', backlog: 1 }, () => console.log('up'))`;
    const child: ChildProcess = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout!, 'data');
    process.kill(child.pid!, 'SIGSTOP');
    const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (!fillers.some(({ connecting }) => connecting)) throw new Error('the port still lets connections in');
    const at = { host: '127.0.0.1', port };
    return {
      seeds: [at],
      sick: at,
      strike: () => undefined,
      async stop() {
        for (const filler of fillers) filler.destroy();
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      },
    };
  },
};

export const hangFaults: readonly HangFault[] = [
  frozen('one node frozen', 'later', (nodes) => nodes.slice(1)),
  frozen('all nodes frozen', 'later', (nodes) => nodes),
  frozen('one node frozen, from the start', 'start', (nodes) => nodes.slice(1)),
  ofMood('mute'),
  ofMood('mute to data'),
  ofMood('drops at each command'),
  ofMood('garbage'),
  ofMood('ping-pong'),
  ofMood('ask in circles'),
  ofMood('cluster down'),
  ofMood('cluster down', 'start'),
  ofMood('loading'),
  ofMood('loading', 'start'),
  ofMood('try again'),
  ofMood('read only'),
  ofMood('drip'),
  bare('accepts and says nothing', () => undefined),
  bare('drops each socket', (socket) => socket.destroy()),
  bare('answers garbage', (socket) => socket.on('data', () => socket.write('&&&&\r\n'))),
  bare('drips from the first byte', (socket) => {
    const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write('+')), 100);
    timer.unref();
  }),
  refusing,
  blackHole,
];
