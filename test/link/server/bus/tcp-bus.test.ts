import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { ManualWorld } from '../../../../lib/base/world.ts';
import type { Bus, Delivery } from '../../../../server/bus/bus.ts';
import { decodePacket, encodePacket } from '../../../../server/bus/codec.ts';
import { BadPacket, type Packet } from '../../../../server/bus/codec-packet.ts';
import { type BusPort, bindTcpBus, type TcpBusSettings } from '../../../../server/bus/tcp-bus.ts';
import type { Message } from '../../../../server/cluster/message.ts';
import { Freezer } from '../../../../server/faults/freezer.ts';
import { until } from '../../../kit/until.ts';
import { packetOf, vectors } from '../../../unit/server/bus/packet-kit.ts';

// One node's bus on real sockets and a clock that the test moves: against bytes, silence and refusals.

const host = '127.0.0.1';
const nodeTimeout = 2000;

function captured(name: string): Packet {
  return packetOf(vectors.find((vector) => vector.name === name)!);
}

const ping = captured('PING_g3');
const pingBytes = encodePacket(ping);

function message(body: Message['body']): Message {
  const { bitmap, sender } = ping.header;
  const flags = { noFailover: false, migrateTo: false, paused: false, force: false };
  const place = {
    host: '',
    port: 7000,
    cport: 17_000,
    plainPort: 0,
    shard: '',
    hostname: '',
    role: 'master' as const,
    master: null,
  };
  return { header: { sender, ...place, ...flags, currentEpoch: 1, configEpoch: 1, offset: 0, bitmap }, body };
}

describe('the bus over TCP', () => {
  let world: ManualWorld;
  let port: BusPort;
  let bus: Bus;
  let heard: Delivery[];
  let known: Set<string>;
  let sockets: Socket[];
  let servers: Server[];

  async function open(settings: Partial<TcpBusSettings> = {}): Promise<void> {
    const sender = { serving: true, announcedHost: '' };
    const all = { world, nodeTimeout, sender, sendLimit: 0, knows: (id: string) => known.has(id), ...settings };
    port = await bindTcpBus({ host, cport: 0 }, all);
    bus = port.open({ host, cport: port.cport }, (delivery) => void heard.push(delivery));
  }

  beforeEach(() => {
    world = new ManualWorld();
    heard = [];
    known = new Set();
    sockets = [];
    servers = [];
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    await port.close();
  });

  /** An unknown node that dials the bus port. */
  async function unknownNode(): Promise<{ socket: Socket; bytes: () => Buffer; closed: () => boolean }> {
    const socket = connect({ host, port: port.cport });
    sockets.push(socket);
    const chunks: Buffer[] = [];
    let closed = false;
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed = true;
    });
    await once(socket, 'connect');
    return { socket, bytes: () => Buffer.concat(chunks), closed: () => closed };
  }

  /** A peer that accepts and does what `onSocket` says. */
  async function peer(onSocket: (socket: Socket) => void): Promise<number> {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      onSocket(socket);
    });
    servers.push(server);
    server.listen(0, host);
    await once(server, 'listening');
    return (server.address() as { port: number }).port;
  }

  it('hands over what comes in, wherever it is cut, and answers on the same link', async () => {
    await open();
    const { socket, bytes } = await unknownNode();
    const stream = Buffer.concat([pingBytes, encodePacket(captured('PUBLISH')), encodePacket(captured('UPDATE'))]);
    for (let at = 0; at < stream.length; at += 1000) {
      socket.write(stream.subarray(at, at + 1000));
      await pause(1);
    }
    await until('three messages', () => heard.length === 3);
    assert.deepEqual(
      heard.map(({ message: { body } }) => body.kind),
      ['ping', 'publish', 'update'],
    );
    const [first, second] = heard;
    assert.deepEqual([first!.remoteHost, first!.localHost], [host, host]);
    assert.equal(first!.message.header.sender, ping.header.sender);
    const gossip = 'gossip' in first!.message.body ? first!.message.body.gossip : [];
    assert.deepEqual(
      gossip.map(({ id, port: clientPort }) => [id, clientPort]),
      'gossip' in ping.body ? ping.body.gossip.map((record) => [record.id, record.port]) : [],
    );
    assert.deepEqual(second!.message.body, { kind: 'publish', channel: 'chan', message: 'hello' });
    first!.answer(message({ kind: 'pong', gossip }));
    await until('an answer', () => bytes().length === pingBytes.length);
    const answer = decodePacket(bytes());
    assert.ok(!(answer instanceof BadPacket));
    assert.equal(answer.body.kind, 'pong');
    assert.equal(answer.header.host, '', 'an address is announced only when configured');
  });

  it('drops a packet that makes no sense and keeps the link', async () => {
    await open();
    const { socket, closed } = await unknownNode();
    const other = Buffer.from(pingBytes);
    other.writeUInt16BE(9, 8);
    const counted = Buffer.from(pingBytes);
    counted.writeUInt16BE(4, 14);
    socket.write(Buffer.concat([other, counted, encodePacket(captured('FAIL'))]));
    await until('the good one', () => heard.length === 1);
    assert.equal(heard[0]!.message.body.kind, 'fail');
    assert.equal(closed(), false);
    assert.match(world.lines.join('\n'), /version 9/);
  });

  it('closes the link that brings garbage or a length out of bounds, and no other', async () => {
    await open();
    const good = await unknownNode();
    const short = Buffer.from(pingBytes);
    short.writeUInt32BE(100, 4);
    const long = Buffer.from(pingBytes);
    long.writeUInt32BE(0xfffffff0, 4);
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), short, long]) {
      const bad = await unknownNode();
      bad.socket.write(bytes);
      await until('the bad link is closed', bad.closed);
    }
    good.socket.write(pingBytes);
    await until('the good one is heard', () => heard.length === 1);
    assert.equal(good.closed(), false);
  });

  it('closes a link on which a packet does not come whole in time, however its bytes trickle', async () => {
    await open();
    const { socket, closed } = await unknownNode();
    socket.write(pingBytes.subarray(0, 1000));
    await pause(20);
    for (let at = 1000; at < 1500 && !closed(); at += 100) {
      world.forward(500);
      socket.write(pingBytes.subarray(at, at + 100));
      await pause(5);
    }
    await until('it is closed', closed);
    assert.equal(heard.length, 0);
  });

  it('closes unknown nodes that stay silent', async () => {
    await open();
    const { closed } = await unknownNode();
    await pause(20);
    world.forward(50_000);
    await pause(20);
    assert.equal(closed(), false);
    world.forward(20_000);
    await until('it is closed', closed);
  });

  it('keeps one link of each known peer, the newest; of unknown nodes any number', async () => {
    await open();
    const [first, second] = [await unknownNode(), await unknownNode()];
    first.socket.write(pingBytes);
    second.socket.write(pingBytes);
    await until('both are heard', () => heard.length === 2);
    await pause(20);
    assert.deepEqual([first.closed(), second.closed()], [false, false]);
    known.add(ping.header.sender);
    first.socket.write(pingBytes);
    await until('the first is heard', () => heard.length === 3);
    second.socket.write(pingBytes);
    await until('the older is closed', first.closed);
    assert.equal(second.closed(), false);
  });

  it('sends what was said before the link was open, in order', async () => {
    await open();
    const chunks: Buffer[] = [];
    const cport = await peer((socket) => socket.on('data', (chunk: Buffer) => chunks.push(chunk)));
    const link = bus.connect({ host, cport }, { onMessage: () => undefined, onClose: () => undefined });
    link.send(message({ kind: 'meet', gossip: [] }));
    link.send(message({ kind: 'publish', channel: 'c', message: 'm' }));
    await until('both arrived', () => Buffer.concat(chunks).length === 2256 + 2266);
    const [meet, publish] = [
      decodePacket(Buffer.concat(chunks).subarray(0, 2256)),
      Buffer.concat(chunks).subarray(2256),
    ];
    assert.ok(!(meet instanceof BadPacket));
    assert.equal(meet.body.kind, 'meet');
    assert.equal(publish.toString('latin1', 2264), 'cm');
  });

  it('reports a refused connection at a tick of its clock, once, and never from inside connect()', async () => {
    await open();
    const cport = await peer(() => undefined);
    await new Promise((resolve) => servers[0]!.close(resolve));
    let closes = 0;
    const link = bus.connect({ host, cport }, { onMessage: () => undefined, onClose: () => void closes++ });
    await until('it is closed', () => !link.open);
    assert.equal(closes, 0);
    world.forward(100);
    assert.equal(closes, 1);
    world.forward(1000);
    assert.equal(closes, 1);
  });

  it('closes a link on which more waits to be sent than it may', async () => {
    await open({ sendLimit: 1 << 20 });
    const cport = await peer((socket) => socket.pause());
    const link = bus.connect({ host, cport }, { onMessage: () => undefined, onClose: () => undefined });
    const body = { kind: 'publish' as const, channel: 'c', message: 'x'.repeat(200_000) };
    for (let sent = 0; sent < 100 && link.open; sent++) {
      link.send(message(body));
      await pause(1);
    }
    assert.equal(link.open, false);
    await until('it is counted', () => port.overflows === 1);
  });

  it('closes a link whose peer takes nothing for too long', async () => {
    await open();
    const cport = await peer((socket) => socket.pause());
    const link = bus.connect({ host, cport }, { onMessage: () => undefined, onClose: () => undefined });
    const body = { kind: 'publish' as const, channel: 'c', message: 'x'.repeat(1 << 20) };
    for (let sent = 0; sent < 32; sent++) link.send(message(body));
    await pause(50);
    assert.equal(link.open, true);
    world.forward(nodeTimeout - 200);
    assert.equal(link.open, true);
    world.forward(400);
    assert.equal(link.open, false);
  });

  it('frozen, lets everything wait in the system, and takes it in afterwards, in order', async () => {
    const freezer = new Freezer(world);
    await open({ world: freezer.world });
    const before = await unknownNode();
    await pause(20);
    freezer.freeze();
    const after = await unknownNode();
    before.socket.write(Buffer.concat([pingBytes, encodePacket(captured('FAIL'))]));
    after.socket.write(encodePacket(captured('PUBLISH')));
    await pause(50);
    world.forward(120_000);
    assert.equal(heard.length, 0);
    freezer.thaw();
    world.forward(200);
    await until('all is heard', () => heard.length === 3);
    const kinds = heard.map(({ message: { body } }) => body.kind);
    assert.ok(kinds.indexOf('ping') < kinds.indexOf('fail'), kinds.join());
  });

  it('a message that has no place on the wire is not sent; the link and the node go on', async () => {
    await open({ sender: { serving: true, announcedHost: 'not an address' } });
    const cport = await peer((socket) => socket.resume());
    const link = bus.connect({ host, cport }, { onMessage: () => undefined, onClose: () => undefined });
    link.send(message({ kind: 'ping', gossip: [] }));
    assert.equal(link.open, true);
    assert.match(world.lines.join('\n'), /could not be sent: address "not an address"/);
  });

  it('closed, frees its port, ends its links and starts no others', async () => {
    await open();
    const { closed } = await unknownNode();
    const cport = await peer((socket) => socket.resume());
    const link = bus.connect({ host, cport }, { onMessage: () => undefined, onClose: () => undefined });
    await pause(20);
    await port.close();
    await until('the unknown node is sent away', closed);
    assert.equal(link.open, false);
    assert.equal(world.pending, 0);
    const again = await bindTcpBus(
      { host, cport: port.cport },
      {
        world,
        nodeTimeout,
        sender: { serving: true, announcedHost: '' },
        sendLimit: 0,
        knows: () => false,
      },
    );
    await again.close();
  });

  it('a port that is taken is refused', async () => {
    await open();
    const settings = {
      world,
      nodeTimeout,
      sender: { serving: true, announcedHost: '' },
      sendLimit: 0,
      knows: () => false,
    };
    await assert.rejects(bindTcpBus({ host, cport: port.cport }, settings), /EADDRINUSE/);
    assert.throws(() => port.open({ host, cport: port.cport }, () => undefined), /opened before/);
  });
});
