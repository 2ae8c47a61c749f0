// The source of credentials on injected time: who is asked when, who authenticates when, what a failure leads to.

import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { type Authenticated, CredentialSource, type Credentials } from '../../../lib/connection/credentials.ts';

class Stage {
  readonly world = new ManualWorld();
  readonly errors: Error[] = [];
  asked = 0;
  /** What the provider does next. */
  give: () => unknown = () => ({ password: `p${this.asked}`, expiresAt: this.world.wallClock() + 10_000 });
  readonly source = new CredentialSource(
    {
      provider: () => () => {
        this.asked++;
        return this.give() as Credentials;
      },
      limit: () => 1000,
      onError: (error) => this.errors.push(error),
    },
    this.world,
  );

  async connection(): Promise<Connection> {
    const connection = new Connection();
    this.source.join(connection, await this.source.take());
    return connection;
  }

  /** Moves time in small steps, with all that promises do in between. */
  async forward(ms: number): Promise<void> {
    for (let gone = 0; gone < ms; gone += 10) {
      this.world.forward(10);
      for (let turn = 0; turn < 20; turn++) await undefined;
    }
  }
}

class Connection implements Authenticated {
  readonly passwords: string[] = [];
  busy = false;
  refusal: Error | undefined;

  authenticate({ password }: Credentials): Promise<void> | undefined {
    if (this.busy) return undefined;
    this.passwords.push(password);
    return this.refusal === undefined ? Promise.resolve() : Promise.reject(this.refusal);
  }
}

describe('source of credentials', () => {
  it('asks once for connections made together, and again for a later one', async () => {
    const stage = new Stage();
    const both = await Promise.all([stage.source.take(), stage.source.take()]);
    equal(both[0], both[1]);
    await stage.source.take();
    equal(stage.asked, 1);
    stage.world.forward(1001);
    equal((await stage.source.take()).password, 'p2');
    equal(stage.asked, 2);
  });

  it('asks anew at once after a refusal', async () => {
    const stage = new Stage();
    await stage.source.take();
    stage.source.forget();
    equal((await stage.source.take()).password, 'p2');
  });

  it('has live connections authenticate when a fifth of the life is left, again and again', async () => {
    const stage = new Stage();
    const [one, other] = [await stage.connection(), await stage.connection()];
    await stage.forward(7990);
    deepEqual(one.passwords, []);
    await stage.forward(20);
    deepEqual([one.passwords, other.passwords], [['p2'], ['p2']]);
    await stage.forward(8010);
    deepEqual(one.passwords, ['p2', 'p3']);
    deepEqual(stage.errors, []);
  });

  it('renews a long life a minute before its end, not earlier', async () => {
    const stage = new Stage();
    stage.give = () => ({ password: 'long', expiresAt: new Date(stage.world.wallClock() + 3_600_000) });
    await stage.connection();
    stage.world.forward(3_539_000);
    equal(stage.asked, 1);
    stage.world.forward(1100);
    equal(stage.asked, 2);
  });

  it('credentials without an end are left alone', async () => {
    const stage = new Stage();
    stage.give = () => ({ username: 'me', password: 'p' });
    const connection = await stage.connection();
    stage.world.forward(100_000_000);
    deepEqual([stage.asked, connection.passwords, stage.world.pending], [1, [], 0]);
  });

  it('nothing is asked once the last connection has left', async () => {
    const stage = new Stage();
    const connection = await stage.connection();
    stage.source.leave(connection);
    await stage.forward(20_000);
    deepEqual([stage.asked, connection.passwords, stage.world.pending], [1, [], 0]);
  });

  it('a failing provider is asked again after growing pauses, and every failure is reported without secrets', async () => {
    const stage = new Stage();
    const connection = await stage.connection();
    const times: number[] = [];
    stage.give = () => {
      times.push(stage.world.now());
      throw new Error('no token for p1x at https://me:hush@host/token?secret=abc');
    };
    await stage.forward(30_000);
    equal(times.length > 4 && times.length < 12, true, String(times.length));
    const pauses = times.slice(1).map((time, at) => time - times[at]!);
    equal(pauses.at(-1)! > pauses[0]! * 4, true, pauses.join());
    equal(stage.errors.length, times.length);
    for (const error of stage.errors) {
      equal((error as { code?: string }).code, 'ERR_CREDENTIALS');
      match(error.message, /^credentialsProvider failed: no token/);
      equal(/hush|abc/.test(error.message), false, error.message);
    }
    stage.give = () => ({ password: 'new', expiresAt: stage.world.wallClock() + 10_000 });
    await stage.forward(16_000);
    equal(connection.passwords[0], 'new');
  });

  it('a connection that refuses is reported and asked again, others are not', async () => {
    const stage = new Stage();
    const [good, bad] = [await stage.connection(), await stage.connection()];
    bad.refusal = new Error('WRONGPASS invalid username-password pair');
    await stage.forward(8050);
    deepEqual([good.passwords, bad.passwords], [['p2'], ['p2']]);
    equal(stage.errors.length, 1);
    bad.refusal = undefined;
    await stage.forward(1000);
    equal(bad.passwords.length >= 2, true);
    equal(stage.errors.length, 1);
  });

  it('one that cannot take AUTH just now gets the same credentials later; the others do not wait for it', async () => {
    const stage = new Stage();
    const [free, busy] = [await stage.connection(), await stage.connection()];
    busy.busy = true;
    await stage.forward(9000);
    deepEqual([free.passwords, busy.passwords, stage.asked], [['p2'], [], 2]);
    busy.busy = false;
    await stage.forward(500);
    deepEqual([free.passwords, busy.passwords, stage.asked], [['p2'], ['p2'], 2]);
    busy.busy = true;
    await stage.forward(30_000);
    equal(free.passwords.length >= 4, true, free.passwords.join());
    deepEqual(stage.errors, []);
  });

  it('credentials that expire no later than those in use are a failure', async () => {
    const stage = new Stage();
    const expiresAt = stage.world.wallClock() + 10_000;
    stage.give = () => ({ password: 'same', expiresAt });
    const connection = await stage.connection();
    await stage.forward(9000);
    deepEqual(connection.passwords, []);
    match(stage.errors[0]!.message, /expire no later/);
    equal(stage.asked < 8, true, String(stage.asked));
  });

  const useless: [string, unknown, RegExp][] = [
    ['nothing', undefined, /has to give/],
    ['a string', 'token', /has to give/],
    ['null', null, /has to give/],
    ['no password', { username: 'me' }, /password/],
    ['an empty password', { password: '' }, /password/],
    ['a number as password', { password: 12345678 }, /password/],
    ['a number as user', { username: 7, password: 'hidden-1' }, /username/],
    ['a date in words', { password: 'hidden-1', expiresAt: 'tomorrow' }, /expiresAt/],
    ['an invalid date', { password: 'hidden-1', expiresAt: new Date('x') }, /expiresAt/],
    ['an end in the past', { password: 'hidden-1', expiresAt: 5 }, /expired already/],
  ];
  for (const [what, value, text] of useless) {
    it(`${what} is refused, and its values are not shown`, async () => {
      const stage = new Stage();
      stage.give = () => value;
      await rejects(stage.source.take(), (error: Error & { code?: string }) => {
        equal(error.code, 'ERR_CREDENTIALS');
        match(error.message, text);
        equal(/hidden|12345678/.test(`${error.message} ${error.stack}`), false);
        return true;
      });
    });
  }

  it('a provider that does not answer is given up', async () => {
    const stage = new Stage();
    stage.give = () => new Promise(() => undefined);
    const taken = stage.source.take();
    taken.catch(() => undefined);
    await stage.forward(1100);
    await rejects(taken, /no answer within 1000ms/);
  });
});
