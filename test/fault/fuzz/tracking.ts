// Options of CLIENT TRACKING and CACHING, good ones and nonsense, by clients that keep what they read. Between them keys
// are read, written, expire, are flushed; clients reset, change their protocol, leave. After every step nobody may hold
// a copy that differs from what the server has: a copy goes only when the server says so.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Push, type Reply, ReplyError } from '../../../lib/wire/reply.ts';
import { createEngine } from '../../../server/command/all.ts';
import type { Client } from '../../../server/engine/client.ts';
import { execute } from '../../../server/engine/dispatch.ts';
import type { Engine } from '../../../server/engine/engine.ts';
import { nobody } from '../../../server/engine/replay.ts';
import { type Chance, type InputReport, newReport, refuse, timed, watched } from './kit.ts';

const keys = ['a', 'a:1', 'a:2', 'ab', 'b', 'b:1', 'c', ''];
const prefixes = ['', 'a', 'a:', 'b', 'b:', 'c', 'zz'];
const words = ['redirect', 'bcast', 'prefix', 'optin', 'optout', 'noloop', 'ON', 'off', '', '0', '-1', 'BCAST', 'x\0y'];
const clientCount = 5;

class CachingClient {
  readonly client: Client;
  readonly copies = new Map<string, string | null>();
  readonly #engine: Engine;
  /** Messages, in order; what they mean is read when they come. */
  readonly #deferred: Reply[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
    this.client = engine.connect({ ...nobody, send: (reply) => void this.#deferred.push(reply) });
    this.say('HELLO', '3');
  }

  /** As a session does: the answer, then what comes after it. */
  say(...argv: string[]): Reply | undefined {
    const reply = execute(this.#engine, this.client, argv);
    this.#engine.tracking.sendDeferred(this.client);
    return reply;
  }

  listen(): void {
    for (const message of this.#deferred.splice(0)) {
      assert.ok(message instanceof Push);
      const [kind, gone] = message.items as [string, string[] | null | number];
      if (kind !== 'invalidate') continue;
      if (gone === null) this.copies.clear();
      else for (const key of gone as string[]) this.copies.delete(key);
    }
  }

  /** Reads, and keeps the answer if the server is to say when it changes. */
  read(key: string): void {
    const mode = this.client.tracking;
    const covered =
      mode !== undefined &&
      mode.redirect === 0 &&
      this.client.protocol === 3 &&
      this.client.transaction === undefined &&
      (mode.bcast
        ? [...mode.prefixes].some((prefix) => key.startsWith(prefix))
        : !(mode.optin && !mode.caching) && !(mode.optout && mode.caching));
    const value = this.say('GET', key);
    this.listen();
    if (covered && (value === null || typeof value === 'string')) this.copies.set(key, value);
  }

  write(argv: string[], ...changed: string[]): void {
    this.say(...argv);
    // Of its own changes a client with NOLOOP knows by itself.
    if (this.client.tracking?.noloop !== true) return;
    for (const key of changed) this.copies.delete(key);
  }

  /** What it tracks has changed: it cannot trust what it kept. */
  forget(): void {
    this.copies.clear();
  }
}

function options(chance: Chance, clients: readonly CachingClient[]): string[] {
  const some: string[] = [];
  for (let left = chance(5); left > 0; left--) {
    const word = words[chance(chance(3) === 0 ? words.length : 6)]!;
    some.push(word);
    if (word === 'redirect' && chance(4) > 0) some.push(String(clients[chance(clients.length)]!.client.id));
    if (word === 'prefix' && chance(8) > 0) some.push(prefixes[chance(prefixes.length)]!);
  }
  return some;
}

function rename(client: CachingClient, from: string, to: string): void {
  client.write(['RENAME', from, to], from, to);
}

function change(chance: Chance, client: CachingClient, world: ManualWorld): void {
  const key = keys[chance(keys.length)]!;
  const value = String(chance(1000));
  const acts: readonly (() => void)[] = [
    () => client.write(['DEL', key], key),
    () => client.write(['SET', key, value, 'PX', String(1 + chance(50))], key),
    () => world.forward(chance(100)),
    () => (chance(20) === 0 ? void client.say('FLUSHALL') : undefined),
    () => rename(client, key, keys[chance(keys.length)]!),
    () => client.write(['EXPIRE', key, '-1'], key),
    () => client.write(['APPEND', key, 'x'], key),
    () => client.write(['SET', key, value], key),
  ];
  acts[chance(acts.length)]!();
}

class Run {
  readonly world = new ManualWorld();
  readonly engine: Engine;
  readonly clients: CachingClient[];
  readonly #chance: Chance;
  readonly #report: InputReport;

  constructor(chance: Chance, report: InputReport) {
    this.#chance = chance;
    this.#report = report;
    this.engine = createEngine({ world: this.world, config: { 'tracking-table-max-keys': '5' } });
    this.clients = Array.from({ length: clientCount }, () => new CachingClient(this.engine));
  }

  /** One input: a call of TRACKING or CACHING. */
  input(): void {
    const chance = this.#chance;
    const client = this.clients[chance(clientCount)]!;
    const argv =
      chance(4) === 0
        ? ['CLIENT', 'CACHING', ['yes', 'no', 'maybe'][chance(3)]!]
        : ['CLIENT', 'TRACKING', ['on', 'on', 'on', 'off', 'x'][chance(5)]!, ...options(chance, this.clients)];
    const reply = timed(this.#report, () => client.say(...argv));
    // That text is redis-server's own.
    if (reply instanceof ReplyError) refuse(this.#report, reply.message.replace('out of range', 'too long'));
    else {
      this.#report.accepted++;
      if (argv[1] === 'TRACKING') client.forget();
    }
  }

  /** What goes on between two inputs. */
  step(): void {
    const chance = this.#chance;
    const at = chance(clientCount);
    const client = this.clients[at]!;
    const kind = chance(40);
    if (kind < 20) client.read(keys[chance(keys.length)]!);
    else if (kind < 37) change(chance, client, this.world);
    else if (kind === 37) {
      client.forget();
      client.say('HELLO', String(2 + chance(2)));
    } else if (kind === 38) {
      client.forget();
      client.say('RESET');
      client.say('HELLO', '3');
    } else {
      this.engine.disconnect(client.client);
      this.clients[at] = new CachingClient(this.engine);
    }
  }

  /** What has run out is gone once the server has met it, and not before. */
  meetExpired(): void {
    for (const key of keys) this.engine.databases.stores[0]!.peek(key);
  }

  /** Throws when somebody holds what is not so. */
  check(): void {
    const [store] = this.engine.databases.stores;
    for (const { client, copies } of this.clients) {
      for (const [key, value] of copies) {
        const now = store!.peek(key)?.value ?? null;
        assert.equal(value, now, `client ${client.id} (${JSON.stringify(client.tracking?.bcast)}) keeps ${key}`);
      }
    }
    const modes = this.clients.filter(({ client }) => client.tracking !== undefined).length;
    assert.equal(this.engine.tracking.clients, modes);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Throws at the first copy that is out of date, or at a refusal that nobody wrote. */
export function fuzzTracking(runs: number, chance: Chance): Promise<InputReport> {
  const report = newReport('tracking options', runs);
  let copies = 0;
  return watched(report, async () => {
    const run = new Run(chance, report);
    for (let at = 0; at < runs; at++) {
      run.input();
      for (let left = chance(4); left > 0; left--) {
        run.step();
        run.meetExpired();
        await turn();
        for (const client of run.clients) client.listen();
        run.check();
        copies += run.clients.reduce((sum, client) => sum + client.copies.size, 0);
      }
    }
    run.engine.stop();
    assert.ok(copies > runs, `only ${copies} copies were compared`);
    report.notes.push(`${copies} copies compared with what the server has`);
  });
}
