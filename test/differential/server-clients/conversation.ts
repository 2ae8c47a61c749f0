// Conversations of several clients with one server, byte for byte: the same words to ours and to redis-server, and every
// connection must have received the same. One line is one command, in the words of a shell:
//   @n command   on connection n (0 is the default); it is awaited until that connection receives something
//   ~ in front   not awaited: the client waits, is silenced, or is not answered for another reason
//   $idN         the id of connection N
//   !wait MS     lets time pass
// What differs between any two servers (ids, ports, times) is replaced before it is compared.

import { strictEqual } from 'node:assert';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { splitArguments } from '../../../lib/wire/request-decoder.ts';
import { encode, RespClient } from '../../kit/resp-client.ts';

class Ear {
  readonly socket: Socket;
  id = 0;
  heard = '';
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.heard += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }
}

const connections = 4;
/** Ids from here on are not mistaken for other integers of a reply. */
const firstId = 100;
/** Milliseconds that a line, or what is left at the end, may take on a busy machine. */
const timeoutMs = 10_000;

async function open(port: number): Promise<Ear> {
  for (;;) {
    const ear = await dial(port);
    if (ear.id >= firstId) return ear;
    ear.socket.destroy();
  }
}

async function dial(port: number): Promise<Ear> {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  const ear = new Ear(socket);
  socket.write(encode(['CLIENT', 'ID']));
  await receives(ear, '', 'CLIENT ID');
  ear.id = Number(ear.heard.slice(1));
  ear.heard = '';
  return ear;
}

async function receives(ear: Ear, before: string, what: string): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (ear.heard === before && !ear.closed) {
    if (performance.now() > until) throw new Error(`no answer to: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Two round trips of a connection of its own: what was sent before has been worked off. */
async function settle(control: RespClient): Promise<void> {
  for (let round = 0; round < 2; round++) await control.call('PING');
}

function normalize(ears: readonly Ear[], text: string): string {
  let plain = text.replace(/\d{10}\.\d{6} \[/g, '<time> [').replace(/127\.0\.0\.1:\d+/g, '<addr>');
  for (const [at, { id }] of ears.entries()) {
    plain = plain.replaceAll(`:${id}\r\n`, `:<id${at}>\r\n`).replaceAll(`id=${id} `, `id=<id${at}> `);
  }
  return plain;
}

/** Plays the lines; what each connection received, `settled` saying when that is all. */
async function play(port: number, lines: readonly string[], settled: (heard: () => string[]) => Promise<void>) {
  const control = await RespClient.connect(port);
  const ears: Ear[] = [];
  try {
    await control.call('FLUSHALL');
    for (let at = 0; at < connections; at++) ears.push(await open(port));
    for (const line of lines) await say(ears, control, line);
    await settle(control);
    await settled(() => ears.map((ear) => normalize(ears, ear.heard) + (ear.closed ? '<closed>' : '')));
  } finally {
    for (const ear of ears) ear.socket.destroy();
    await control.call('CLIENT', 'UNPAUSE');
    control.close();
  }
}

async function say(ears: readonly Ear[], control: RespClient, line: string): Promise<void> {
  const wait = /^!wait (\d+)$/.exec(line);
  if (wait !== null) {
    await pause(Number(wait[1]));
    return;
  }
  const match = /^(~?)(?:@(\d) )?(.*)$/.exec(line)!;
  const ear = ears[Number(match[2] ?? 0)]!;
  const words = splitArguments(match[3]!.replace(/\$id(\d)/g, (_all, at: string) => String(ears[Number(at)]!.id)));
  if (words === undefined) throw new Error(`bad line: ${line}`);
  const before = ear.heard;
  ear.socket.write(encode(words));
  if (match[1] === '') await receives(ear, before, line);
  await settle(control);
}

/** Plays a conversation on both servers; every connection must have received the same bytes. */
export async function compare(real: number, ours: number, text: string): Promise<string[]> {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  let expected: string[] = [];
  await play(real, lines, async (heard) => {
    let last: string;
    do {
      last = heard().join();
      await pause(30);
      expected = heard();
    } while (expected.join() !== last);
  });
  await play(ours, lines, async (heard) => {
    const until = performance.now() + timeoutMs / 5;
    while (heard().join() !== expected.join() && performance.now() < until) await pause(10);
    for (const [at, actual] of heard().entries()) strictEqual(actual, expected[at], `connection ${at}`);
  });
  return expected;
}
