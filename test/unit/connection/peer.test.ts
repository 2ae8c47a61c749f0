// A server as its connections show it, on injected time: which of them is which, and what their silence means.

import { deepEqual, equal } from 'node:assert/strict';
import { Call, CallFlag, directSink } from '../../../lib/connection/call.ts';
import type { ConnectAttempt } from '../../../lib/connection/connect-attempt.ts';
import type { Connection } from '../../../lib/connection/connection.ts';
import type { Authenticated, CredentialSource } from '../../../lib/connection/credentials.ts';
import type { LiveOptions } from '../../../lib/connection/live-connection.ts';
import { Peer } from '../../../lib/connection/peer.ts';
import { SimulatedWorld } from '../../simulation/network.ts';

const limits = { silence: 100, deadline: 1000 };

/** As much of a connection as those who look after it touch. */
class FakeConnection {
  readonly address = 'h:1';
  readonly openedAt = 0;
  readonly clientId = undefined;
  readonly calls: Call[];
  silence = 0;
  readonly activity = { movedAt: 0, untouched: false };
  watched = false;
  readsOnly = false;
  ends = 0;
  closedBy: Error | undefined;
  gaveUp: Error | undefined;
  /** Set by the test: what the owner does when it closes. */
  onClose: () => void = () => {};

  constructor(...words: string[]) {
    this.calls = words.map((word) => new Call([word], -1, CallFlag.readOnly, 'utf8', undefined, directSink));
  }

  get inFlight(): number {
    return this.calls.length;
  }

  get head(): Call | undefined {
    return this.calls[0];
  }

  get closed(): boolean {
    return this.closedBy !== undefined;
  }

  forEachCall(visit: (call: Call) => void): void {
    this.calls.forEach(visit);
  }

  end(): void {
    this.ends++;
  }

  giveUpReads(reason: Error): void {
    this.gaveUp = reason;
  }

  halfClose(): void {}

  destroy(reason: Error): void {
    if (this.closed) return;
    this.closedBy = reason;
    this.onClose();
  }

  get asConnection(): Connection {
    return this as unknown as Connection;
  }
}

/** As much of an attempt as the peer touches. */
class FakeAttempt {
  readonly terms: { options: object; credentials: object | undefined };
  connection: Connection | undefined;
  slow = false;
  muteFor = 0;
  looks: number[] = [];
  cancelledBy: Error | undefined;

  constructor(options: object = {}, credentials?: object) {
    this.terms = { options: { host: 'h', port: 1, ...options }, credentials };
  }

  look(limit: number): void {
    this.looks.push(limit);
  }

  cancel(reason: Error): void {
    this.cancelledBy = reason;
  }

  get asAttempt(): ConnectAttempt<LiveOptions> {
    return this as unknown as ConnectAttempt<LiveOptions>;
  }
}

class Stage {
  /** Nobody listens: whoever asks about a connection finds nobody. */
  readonly world = new SimulatedWorld({ now: 0 });
  readonly silences: boolean[] = [];
  readonly peer = new Peer(this.world, (silent) => this.silences.push(silent));

  up(connection: FakeConnection, attempt = new FakeAttempt()): void {
    connection.onClose = () => void this.peer.retiredClosed(connection.asConnection);
    this.peer.up(connection.asConnection, attempt.asAttempt);
  }

  /** A connection that has taken the place of one that still owes the answers to `words`. */
  retired(...words: string[]): FakeConnection {
    const connection = new FakeConnection(...words);
    this.up(connection);
    this.peer.retire(this.peer.release()!);
    return connection;
  }

  sent(): string[] {
    const words: string[] = [];
    this.peer.forEachCall((call) => words.push(call.name));
    return words;
  }

  /** Time in which promises settle as well. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left--) {
      this.world.forward(1);
      await new Promise(setImmediate);
    }
  }
}

describe('connection/peer: which connection is which', () => {
  it('nobody was dialed: no connection, no doubt', () => {
    const { peer } = new Stage();
    peer.look(limits);
    peer.giveUpReads();
    deepEqual([peer.connection, peer.live, peer.silent, peer.doubtful], [undefined, undefined, false, false]);
    deepEqual([peer.muteFor, peer.idleFor, peer.holdsBack, peer.owed, peer.owing], [0, 0, false, 0, false]);
  });

  it('one that is being made is the connection of now until it is up, and then that one is', () => {
    const { peer } = new Stage();
    const attempt = new FakeAttempt();
    peer.dialing(attempt.asAttempt);
    equal(peer.connection, undefined);
    const connection = new FakeConnection().asConnection;
    attempt.connection = connection;
    deepEqual([peer.connection === connection, peer.live], [true, undefined]);
    const live = peer.up(connection, attempt.asAttempt);
    deepEqual([peer.connection === connection, peer.live === live], [true, true]);
    attempt.slow = true;
    peer.cancelDial(new Error('over'));
    deepEqual([attempt.cancelledBy, peer.silent], [undefined, false], 'the attempt is over with it');
  });

  it('an attempt that is ended is cancelled, and one that has failed is forgotten', () => {
    const { peer } = new Stage();
    const [cancelled, failed] = [new FakeAttempt(), new FakeAttempt()];
    const over = new Error('over');
    peer.dialing(cancelled.asAttempt);
    peer.cancelDial(over);
    peer.dialing(failed.asAttempt);
    peer.dialFailed();
    peer.cancelDial(over);
    deepEqual([cancelled.cancelledBy, failed.cancelledBy], [over, undefined]);
  });

  it('a retired one takes no more calls, and counts until it has closed', () => {
    const stage = new Stage();
    const { peer } = stage;
    const old = stage.retired('a', 'b');
    stage.up(new FakeConnection('c'));
    deepEqual([old.ends, peer.owed, peer.owing, stage.sent()], [1, 2, true, ['c', 'a', 'b']]);
    old.destroy(new Error('closed'));
    deepEqual([peer.owed, peer.owing, stage.sent()], [0, false, ['c']]);
  });

  it('one that has closed already is not retired', () => {
    const stage = new Stage();
    const connection = new FakeConnection();
    stage.up(connection);
    const live = stage.peer.release()!;
    connection.destroy(new Error('closed'));
    stage.peer.retire(live);
    deepEqual([stage.peer.owing, connection.ends], [false, 0]);
  });

  it('abandon() closes what was retired, and nothing else', () => {
    const stage = new Stage();
    const old = stage.retired('a');
    const live = new FakeConnection('b');
    stage.up(live);
    const reason = new Error('dead');
    stage.peer.abandon(reason);
    deepEqual([old.closedBy, live.closedBy, stage.peer.owed], [reason, undefined, 0]);
  });

  it('credentials are renewed on the live connection alone', () => {
    const joined = new Set<Authenticated>();
    const source = {
      join: (one: Authenticated) => joined.add(one),
      leave: (one: Authenticated) => joined.delete(one),
    } as unknown as CredentialSource;
    const stage = new Stage();
    stage.up(new FakeConnection('a'), new FakeAttempt({ credentials: source }, { password: 'p' }));
    equal(joined.size, 1);
    stage.peer.retire(stage.peer.release()!);
    deepEqual([joined.size, stage.peer.owing], [0, true]);
  });

  it('socketTimeout counts from when the connection is live', async () => {
    const stage = new Stage();
    const connection = new FakeConnection('a');
    stage.up(connection, new FakeAttempt({ socketTimeout: 100 }));
    connection.silence = 100;
    await stage.pass(30);
    equal((connection.closedBy as { code?: string }).code, 'ERR_SOCKET_TIMEOUT');
  });
});

describe('connection/peer: its silence', () => {
  it('a live connection that says nothing: new calls are held back until a byte comes', async () => {
    const stage = new Stage();
    const { peer } = stage;
    const connection = new FakeConnection('a');
    stage.up(connection);
    connection.silence = 99;
    peer.look(limits);
    equal(peer.doubtful, false);
    connection.silence = 100;
    peer.look(limits);
    deepEqual([peer.silent, peer.doubtful, peer.holdsBack, stage.silences], [true, true, true, [true]]);
    await stage.pass(20);
    equal(peer.muteFor, 100, 'nobody answers');
    peer.heard(connection.asConnection);
    deepEqual([peer.silent, peer.doubtful, peer.muteFor, stage.silences], [false, false, 0, [true, false]]);
  });

  it('the silence of a retired connection holds calls back, and is nothing to announce', async () => {
    const stage = new Stage();
    const { peer } = stage;
    const old = stage.retired('a');
    stage.up(new FakeConnection());
    old.silence = 100;
    peer.look(limits);
    deepEqual([peer.silent, peer.holdsBack, stage.silences], [false, true, []]);
    peer.heard(old.asConnection);
    equal(peer.holdsBack, false);
    await stage.pass(20);
  });

  it('one that falls silent and is retired then is not announced any more', () => {
    const stage = new Stage();
    const connection = new FakeConnection('a');
    stage.up(connection);
    connection.silence = 100;
    stage.peer.look(limits);
    stage.peer.retire(stage.peer.release()!);
    stage.peer.heard(connection.asConnection);
    deepEqual([stage.silences, stage.peer.holdsBack], [[true], false]);
  });

  it('before there is a live connection the attempt is looked at, and answers', () => {
    const { peer } = new Stage();
    const attempt = new FakeAttempt();
    peer.dialing(attempt.asAttempt);
    peer.look(limits);
    deepEqual([attempt.looks, peer.silent, peer.doubtful], [[100], false, false]);
    attempt.slow = true;
    attempt.muteFor = 140;
    deepEqual([peer.silent, peer.doubtful, peer.muteFor, peer.holdsBack], [true, true, 140, true]);
    peer.up(new FakeConnection().asConnection, attempt.asAttempt);
    peer.look(limits);
    deepEqual([attempt.looks, peer.silent, peer.muteFor], [[100], false, 0]);
  });

  it('a connection is idle while it has nothing to answer', () => {
    const stage = new Stage();
    const connection = new FakeConnection();
    stage.up(connection);
    stage.world.forward(50);
    equal(stage.peer.idleFor, 50);
    connection.calls.push(...new FakeConnection('a').calls);
    equal(stage.peer.idleFor, 0);
  });

  it('giveUpReads(): with nothing else on it the connection goes, otherwise the reads alone', () => {
    for (const readsOnly of [true, false]) {
      const stage = new Stage();
      const connection = new FakeConnection('get');
      connection.readsOnly = readsOnly;
      stage.up(connection);
      stage.peer.giveUpReads();
      const { message, code, node } = (connection.closedBy ?? connection.gaveUp) as Error & Record<string, unknown>;
      deepEqual([message, code, node], ['Socket timeout. The node is silent.', 'ERR_SILENT', 'h:1']);
      deepEqual([connection.closed, connection.gaveUp === undefined], [readsOnly, readsOnly]);
    }
  });
});
