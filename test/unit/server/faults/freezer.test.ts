import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { ManualWorld } from '../../../../lib/base/world.ts';
import type { Delivery, OpenBus } from '../../../../server/bus/bus.ts';
import { Freezer } from '../../../../server/faults/freezer.ts';
import { until } from '../../../kit/until.ts';

describe('a freezer', () => {
  let world: ManualWorld;
  let freezer: Freezer;

  beforeEach(() => {
    world = new ManualWorld();
    freezer = new Freezer(world);
  });

  it('holds timers back, runs those that fell due in their order, and forgets those that were cancelled', () => {
    const ran: string[] = [];
    freezer.world.after(10, () => ran.push('first'));
    const cancelled = freezer.world.after(20, () => ran.push('cancelled'));
    freezer.world.deadline(30, () => ran.push('deadline'));
    freezer.world.after(1000, () => ran.push('later'));
    freezer.freeze();
    world.forward(100);
    cancelled.cancel();
    assert.deepEqual(ran, []);
    freezer.thaw();
    assert.deepEqual(ran, ['first', 'deadline']);
    world.forward(1000);
    assert.deepEqual(ran, ['first', 'deadline', 'later']);
  });

  it('frozen again by a timer, keeps the others for the next time', () => {
    const ran: number[] = [];
    freezer.world.after(1, () => {
      ran.push(1);
      freezer.freeze();
    });
    freezer.world.after(2, () => ran.push(2));
    freezer.freeze();
    world.forward(10);
    freezer.thaw();
    assert.deepEqual([ran, freezer.frozen], [[1], true]);
    freezer.thaw();
    assert.deepEqual(ran, [1, 2]);
  });

  it('one function that was set twice is two timers', () => {
    let ran = 0;
    const run = (): void => {
      ran++;
    };
    freezer.world.after(1, run).cancel();
    freezer.world.after(1, run);
    freezer.world.after(2, run);
    freezer.freeze();
    world.forward(10);
    freezer.thaw();
    assert.equal(ran, 2);
  });

  it('keeps the levels of a log apart, and makes none up', () => {
    assert.ok(!('note' in freezer.world));
    const noted: string[] = [];
    const noting = Object.assign(new ManualWorld(), { note: (line: string) => noted.push(line) });
    const { world: wrapped } = new Freezer(noting);
    (wrapped as typeof noting).note('normal');
    wrapped.log('bad');
    assert.deepEqual([noted, noting.lines], [['normal'], ['bad']]);
  });

  it('keeps deliveries of the bus in order, and drops them when the node is forgotten', () => {
    let deliver: (delivery: Delivery) => void = () => undefined;
    const open: OpenBus = (_address, onInbound) => {
      deliver = onInbound;
      return { connect: () => assert.fail('not here'), overflows: 0, close: () => undefined };
    };
    const heard: Delivery[] = [];
    freezer.bus(open)({ host: '', cport: 1 }, (delivery) => heard.push(delivery));
    const [one, two, three] = [1, 2, 3].map((at) => ({ remoteHost: String(at) }) as unknown as Delivery);
    freezer.freeze();
    deliver(one!);
    deliver(two!);
    assert.deepEqual(heard, []);
    freezer.thaw();
    assert.deepEqual(heard, [one, two]);
    freezer.freeze();
    deliver(three!);
    freezer.forget();
    freezer.thaw();
    assert.deepEqual(heard, [one, two]);
  });

  describe('of sockets', () => {
    let server: Server;
    let near: Socket;
    let far: Socket;
    let heard = '';

    beforeEach(async () => {
      server = createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      far = connect((server.address() as { port: number }).port, '127.0.0.1');
      [near] = (await once(server, 'connection')) as [Socket];
      heard = '';
      freezer.world.onSocket!(near);
      near.on('data', (chunk: Buffer) => {
        heard += chunk.toString();
      });
    });

    afterEach(() => {
      near.destroy();
      far.destroy();
      server.close();
    });

    it('reads and writes nothing, whatever the owner asks for, and then everything', async () => {
      let back = '';
      far.on('data', (chunk: Buffer) => {
        back += chunk.toString();
      });
      freezer.freeze();
      far.write('ping');
      near.write('pong');
      near.resume();
      const other = connect((server.address() as { port: number }).port, '127.0.0.1');
      await once(other, 'connect');
      other.destroy();
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual([heard, back], ['', '']);
      freezer.thaw();
      await until('all has come', () => heard === 'ping' && back === 'pong');
    });

    it('leaves one paused that its owner paused meanwhile', async () => {
      freezer.freeze();
      near.pause();
      far.write('ping');
      freezer.thaw();
      assert.ok(near.isPaused());
      near.resume();
      await until('it has come', () => heard === 'ping');
    });

    it('does not see the other end go before it is thawed', async () => {
      let gone = false;
      near.on('end', () => {
        gone = true;
      });
      freezer.freeze();
      far.end();
      await once(far, 'finish');
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(gone, false);
      freezer.thaw();
      await until('the end is seen', () => gone);
    });
  });
});
