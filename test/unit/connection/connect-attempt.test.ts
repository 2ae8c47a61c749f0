// One attempt to connect, on injected time and a simulated network: exactly one outcome, none after it was given up, and
// no connection left open by one that failed.

import assert from 'node:assert/strict';
import { ConnectAttempt } from '../../../lib/connection/connect-attempt.ts';
import { Connection } from '../../../lib/connection/connection.ts';
import { ReconnectingConnection, type ReconnectingOptions } from '../../../lib/connection/reconnecting-connection.ts';
import { RequestDecoder } from '../../../lib/wire/request-decoder.ts';
import { type Peer, SimulatedWorld, type Wire } from '../../simulation/network.ts';

const place = { host: 'h', port: 1 };
const address = 'h:1';

/** What a server says to each command; undefined: nothing. `hangsUp`: closes at the first byte. */
type Answer = string | undefined | 'hangs up';

function listen(world: SimulatedWorld, answer: () => Answer): Wire[] {
  const wires: Wire[] = [];
  world.listen(address, {
    accept(wire): Peer {
      wires.push(wire);
      const decoder = new RequestDecoder();
      return {
        receive(bytes) {
          decoder.feed(bytes);
          for (let argv = decoder.read(); argv !== undefined; argv = decoder.read()) {
            const reply = answer();
            if (reply === 'hangs up') wire.closedByServer();
            else if (reply !== undefined) wire.fromServer(Buffer.from(reply));
          }
        },
        gone() {},
      };
    },
  });
  return wires;
}

/** Lets time pass, and what waits for promises run in between. */
async function pass(world: SimulatedWorld, ms: number): Promise<void> {
  for (let left = ms; left > 0; left--) {
    world.forward(1);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

class Stage {
  readonly world = new SimulatedWorld({ now: 0, seed: 7 });
  readonly outcomes: string[] = [];
  readonly attempt: ConnectAttempt<ReconnectingOptions>;
  readonly slow: string[] = [];
  connection: Connection | undefined;
  opened = 0;

  constructor(answer: () => Answer, options: Partial<ReconnectingOptions> = {}, listens = true) {
    if (listens) listen(this.world, answer);
    const all: ReconnectingOptions = {
      ...place,
      retryDelay: () => null,
      holdWhileDown: false,
      protocol: 2,
      ...options,
    };
    this.attempt = new ConnectAttempt(address, all, this.world, {
      readOnly: () => false,
      connect: (socket, attempt) => {
        const events = { onClose: (reason: Error) => attempt.closed(reason) };
        this.connection = new Connection(socket, address, all, this.world, events as never);
        return this.connection;
      },
      onOpen: () => void this.opened++,
      questions: () => [],
      onUp: (_connection, protocol) => void this.outcomes.push(`up ${protocol}`),
      onFailed: (error) => void this.outcomes.push(error.message),
      onSlow: (reason) => void this.slow.push(reason.message),
    });
  }
}

describe('connection/connect-attempt', () => {
  it('a server that answers: up, once, with the protocol, and its terms', async () => {
    const stage = new Stage(() => '+OK\r\n');
    await pass(stage.world, 50);
    assert.deepEqual(stage.outcomes, ['up 2']);
    assert.equal(stage.opened, 1);
    assert.equal(stage.connection!.closed, false);
    assert.equal(stage.attempt.terms.options.host, 'h');
  });

  it('nobody listens: failed, once, and nothing was opened', async () => {
    const stage = new Stage(() => undefined, {}, false);
    await pass(stage.world, 50);
    assert.deepEqual(stage.outcomes, [`connect ECONNREFUSED ${address}`]);
    assert.equal(stage.opened, 0);
  });

  it('a handshake without an answer ends at connectTimeout, and the connection with it', async () => {
    const stage = new Stage(() => undefined, { connectTimeout: 100 });
    await pass(stage.world, 90);
    assert.deepEqual(stage.outcomes, []);
    await pass(stage.world, 50);
    assert.deepEqual(stage.outcomes, ['connect ETIMEDOUT']);
    assert.equal(stage.connection!.closed, true);
  });

  it('a handshake that is refused fails with the refusal, and the connection is closed', async () => {
    const stage = new Stage(() => '-WRONGPASS no\r\n', { password: 'p' });
    await pass(stage.world, 50);
    assert.deepEqual(stage.outcomes, ['WRONGPASS no']);
    assert.equal(stage.connection!.closed, true);
  });

  it('a server that hangs up within the handshake: failed, once', async () => {
    const stage = new Stage(() => 'hangs up', { password: 'p' });
    await pass(stage.world, 50);
    assert.equal(stage.outcomes.length, 1);
    assert.equal(stage.connection!.closed, true);
  });

  it('given up before the socket is open, or within the handshake: no outcome, and nothing is left open', async () => {
    for (const after of [0, 20]) {
      const stage = new Stage(() => undefined, { connectTimeout: 100 });
      await pass(stage.world, after);
      assert.equal(stage.opened, after === 0 ? 0 : 1);
      stage.attempt.cancel(new Error('given up'));
      await pass(stage.world, 200);
      assert.deepEqual(stage.outcomes, []);
      assert.equal(stage.connection?.closed ?? true, true);
      assert.equal(stage.world.wires.size, 0);
    }
  });

  it('is slow from the first look after the limit on, which alone reports it', async () => {
    const stage = new Stage(() => undefined);
    stage.attempt.look(30);
    assert.deepEqual([stage.slow, stage.attempt.slow, stage.attempt.muteFor], [[], false, 0]);
    await pass(stage.world, 40);
    for (const _look of [1, 2]) stage.attempt.look(30);
    assert.deepEqual([stage.attempt.slow, stage.attempt.muteFor], [true, 40]);
    assert.deepEqual(stage.slow, ['Socket timeout. No handshake within 30ms.']);
  });
});

describe('connection/reconnecting-connection: leave() within a handshake', () => {
  for (const answer of ['-WRONGPASS no\r\n', undefined, '+OK\r\n', 'hangs up'] as const) {
    it(`resolves when the server answers ${JSON.stringify(answer)}`, async () => {
      const world = new SimulatedWorld({ now: 0, seed: 7 });
      const wires = listen(world, () => answer);
      const options = { ...place, protocol: 2, password: 'p', retryDelay: () => null, holdWhileDown: false } as const;
      const states: string[] = [];
      let opened = false;
      const connection = new ReconnectingConnection(address, options, world, {
        onState: (_connection, state) => states.push(state),
        onOpen: () => {
          opened = true;
        },
      });
      connection.open();
      while (!opened) await pass(world, 1);
      let left = false;
      void connection.leave(new Error('leaving')).then(() => {
        left = true;
      });
      await pass(world, 2500);
      assert.equal(left, true);
      assert.equal(states.at(-1), 'ended');
      assert.equal(wires.length, 1);
      assert.equal(world.wires.size, 0);
    });
  }
});
