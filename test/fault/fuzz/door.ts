// Random and spoiled requests of clients that have not authenticated: nothing is let in but the few commands that are
// for everybody, nothing changes, and whoever speaks no protocol is closed with a reason.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Standalone, startStandalone } from '../../../server/embedded/standalone.ts';
import { encode } from '../../kit/resp-client.ts';
import { type Chance, type InputReport, newReport, refuse, spoiled, watched } from './kit.ts';

const password = 'a password that no chance finds';
/** Inputs of one connection, at most. */
const each = 20;

const requests: readonly (readonly string[])[] = [
  ['PING'],
  ['GET', 'k'],
  ['SET', 'k', 'v'],
  ['AUTH', 'wrong'],
  ['AUTH', 'default', 'wrong'],
  ['AUTH', 'al', ''],
  ['AUTH', 'off', 'x'],
  ['HELLO'],
  ['HELLO', '3'],
  ['HELLO', '2', 'AUTH', 'default', 'wrong', 'SETNAME', 'x'],
  ['RESET'],
  ['QUIT'],
  ['MULTI'],
  ['EXEC'],
  ['ACL', 'SETUSER', 'default', 'nopass'],
  ['ACL', 'WHOAMI'],
  ['CONFIG', 'SET', 'requirepass', ''],
  ['CLIENT', 'REPLY', 'OFF'],
  ['SUBSCRIBE', 'c'],
  ['MONITOR'],
  ['PSYNC', '?', '-1'],
  ['REPLCONF', 'listening-port', '1'],
  ['DEBUG', 'SLEEP', '0'],
  ['SHUTDOWN', 'NOSAVE'],
  ['FLUSHALL'],
  ['COMMAND', 'DOCS'],
  ['POST', '/'],
  ['EVAL', 'return 1', '0'],
];

const samples: readonly Buffer[] = [
  ...requests.map((words) => encode(words)),
  ...requests.map((words) => Buffer.from(`${words.map((word) => (word === '' ? '""' : word)).join(' ')}\r\n`)),
  Buffer.from('*11\r\n$4\r\nPING\r\n'),
  Buffer.from('*1\r\n$16385\r\n'),
  Buffer.from('*2\r\n$4\r\nAUTH\r\n$16384\r\n'),
  Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  Buffer.from('"unbalanced\r\n'),
  Buffer.from('$5\r\n'),
  Buffer.from('\r\n\r\n'),
];

/** Replies that a stranger may get; all else was let in. */
const harmless = /^(?:-(?:NOAUTH|WRONGPASS|NOPROTO|EXECABORT|ERR) |\+OK$|\+RESET$)/;

export async function fuzzDoor(runs: number, chance: Chance): Promise<InputReport> {
  const report = newReport('door', runs);
  const user = 'al on >pw +@all ~*\noff off nopass +@all ~*';
  const server = await startStandalone({ engine: { config: { requirepass: password, user } } });
  const before = stateOf(server);
  let closed = 0;
  try {
    await watched(report, async () => {
      for (let sent = 0; sent < runs; ) {
        const socket = connect(server.port, '127.0.0.1').on('error', () => undefined);
        await once(socket, 'connect');
        const count = Math.min(each, runs - sent);
        if (await visit(socket, count, chance, report)) closed++;
        sent += count;
        const now = stateOf(server);
        if (now !== before) throw new Error(`after ${sent} inputs it is ${now}, not ${before}`);
      }
    });
  } finally {
    await server.close();
  }
  report.notes.push(`${closed} connections were closed by the server`);
  return report;
}

/** Sends inputs and looks at all that comes back; true when the server closed. */
async function visit(socket: Socket, count: number, chance: Chance, report: InputReport): Promise<boolean> {
  let text = '';
  let closed = false;
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  const gone = new Promise<void>((resolve) => {
    socket.on('close', () => {
      closed = true;
      resolve();
    });
  });
  const start = performance.now();
  let sent = 0;
  for (; sent < count && !closed; sent++) {
    socket.write(chance(8) === 0 ? noise(chance) : spoiled(samples, chance));
    if (chance(4) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await gone;
  report.slowest = Math.max(report.slowest, performance.now() - start);
  const lines = text.split('\r\n').filter((line) => line !== '');
  for (const line of lines) {
    if (!harmless.test(line)) throw new Error(`a stranger was answered ${JSON.stringify(line)}`);
  }
  // What came after an input that broke the protocol was not looked at.
  const refusals = lines.filter((line) => line.startsWith('-'));
  for (const line of refusals.slice(0, count)) refuse(report, reasonOf(line));
  report.accepted += count - Math.min(count, refusals.length);
  return sent < count || text.includes('Protocol error');
}

/** Without the words of the client; and a number out of range is redis-server's own text. */
function reasonOf(line: string): string {
  return line.slice(1).replaceAll(/'.*'/gs, "'...'").replace(' or out of range', '');
}

function noise(chance: Chance): Buffer {
  return Buffer.from(Array.from({ length: 1 + chance(64) }, () => chance(256)));
}

/** What no stranger may change. */
function stateOf({ engine }: Standalone): string {
  const clients = [...engine.clients.values()];
  const users = engine.access.acl.definitions().join('; ');
  const inside = clients.filter((client) => client.authenticated || client.monitor || client.inPubSub).length;
  return `${users}; ${engine.config.get('requirepass')}; ${engine.databases.stores[0]!.size} keys; ${inside} inside`;
}
