import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodePacket, encodePacket } from '../../../../server/bus/codec.ts';
import { knowsExtensions, messageFrom, packetFor } from '../../../../server/bus/codec-message.ts';
import { BadPacket } from '../../../../server/bus/codec-packet.ts';
import type { Message } from '../../../../server/cluster/message.ts';
import { anyPacket, packetOf, vectors } from './packet-kit.ts';

const facts = { serving: true, announcedHost: '' };

function captured(name: string): Message {
  return messageFrom(packetOf(vectors.find((vector) => vector.name === name)!))!;
}

function overTheWire(message: Message, sender = facts, extended = true): Message {
  const packet = decodePacket(encodePacket(packetFor(message, sender, extended)));
  if (packet instanceof BadPacket) throw packet;
  return messageFrom(packet)!;
}

describe('messages over the wire', () => {
  it('of every kind arrive as they were sent', () => {
    fc.assert(
      fc.property(anyPacket, (packet) => {
        const message = messageFrom(packet);
        if (message === undefined) return assert.match(packet.body.kind, /module|unknown/);
        assert.deepEqual(overTheWire(message, { serving: true, announcedHost: message.header.host }), message);
      }),
      { numRuns: 300 },
    );
  });

  it('say who is master, who follows whom, who has failed', () => {
    const request = captured('AUTH_REQ_mf2');
    assert.equal(request.header.role, 'replica');
    assert.equal(request.header.master, 'c8d9e1c7229fa33996f984df7a61e22dea294402');
    assert.deepEqual([request.header.force, request.header.paused], [true, false]);
    const paused = captured('PING_mf1');
    assert.deepEqual([paused.header.force, paused.header.paused], [false, true]);
    assert.equal(paused.header.role, 'master');
    const entries = 'gossip' in paused.body ? paused.body.gossip : [];
    assert.deepEqual(
      entries.map(({ role, suspect, failed, cport }) => [role, suspect, failed, cport]),
      [
        ['master', false, false, 46_203],
        ['replica', false, false, 46_206],
      ],
    );
    const down = { ...paused, body: { kind: 'ping' as const, gossip: [{ ...entries[0]!, failed: true }] } };
    assert.deepEqual(overTheWire(down), down);
  });

  it('carry the hostname of the sender with a ping, and only there', () => {
    const named = captured('PING_ext_mf4');
    assert.equal(named.header.hostname, 'host-2.example.com');
    assert.equal(packetFor(named, facts).body.kind, 'ping');
    assert.equal(overTheWire(named).header.hostname, 'host-2.example.com');
    const fail: Message = { header: named.header, body: { kind: 'fail', id: named.header.sender } };
    assert.equal(overTheWire(fail).header.hostname, '');
  });

  it('carry the shard of the sender to those who know more extensions than the hostname', () => {
    const ping = captured('PING_ext_mf4');
    const message = { ...ping, header: { ...ping.header, shard: '5'.repeat(40) } };
    assert.equal(overTheWire(message).header.shard, '5'.repeat(40));
    assert.deepEqual(overTheWire(message, facts, false).header, ping.header);
    // By what arrived: redis-server 7.0 without and with a hostname, and a node of ours.
    for (const name of ['PING', 'PING_ext_mf4']) {
      assert.equal(knowsExtensions(packetOf(vectors.find((vector) => vector.name === name)!)), false);
    }
    for (const header of [message.header, { ...message.header, hostname: '' }]) {
      for (const extended of [true, false])
        assert.ok(knowsExtensions(packetFor({ ...message, header }, facts, extended)));
    }
  });

  it('announce an address only when there is one to announce, and whether the cluster is ok', () => {
    const message = { ...captured('PING'), header: { ...captured('PING').header, host: '10.0.0.1' } };
    assert.equal(overTheWire(message).header.host, '');
    assert.equal(overTheWire(message, { serving: true, announcedHost: '192.0.2.7' }).header.host, '192.0.2.7');
    assert.equal(packetFor(message, facts).header.state, 0);
    assert.equal(packetFor(message, { ...facts, serving: false }).header.state, 1);
  });

  it('give of nodes in handshake or without address nothing that could be dialled', () => {
    const packet = packetOf(vectors.find(({ name }) => name === 'PING_g3')!);
    for (const flag of [32, 64]) {
      const gossip = 'gossip' in packet.body ? packet.body.gossip.map((entry) => ({ ...entry, flags: flag })) : [];
      const message = messageFrom({ ...packet, body: { kind: 'ping', gossip, extensions: [] } })!;
      const entries = 'gossip' in message.body ? message.body.gossip : [];
      assert.deepEqual(
        entries.map(({ host }) => host),
        ['', '', ''],
      );
    }
  });
});
