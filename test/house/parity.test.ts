// Every member of ioredis 6's Cluster, Redis and Pipeline, and every name it exports, exists on ours or stands in the
// table of deviations with its reason; an entry that is no longer true fails.
import assert from 'node:assert/strict';
import * as theirs from 'ioredis';
import * as ours from '../../lib/index.ts';
import { deviations } from './deviations.ts';

type Class = (abstract new (...args: never[]) => object) & { readonly prototype: object };

const classes: Readonly<Record<string, readonly [their: Class, our: Class]>> = {
  Cluster: [theirs.Cluster, ours.Cluster],
  Redis: [theirs.Redis, ours.Redis],
  Pipeline: [theirs.Pipeline as unknown as Class, ours.Pipeline],
};

function membersOf(prototype: object): string[] {
  const names = new Set<string>();
  for (let at: object = prototype; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  return [...names];
}

function missing(): string[] {
  const members = Object.entries(classes).flatMap(([name, [their, our]]) => [
    ...membersOf(their.prototype)
      .filter((member) => !(member in our.prototype))
      .map((member) => `${name}.${member}`),
    ...Object.getOwnPropertyNames(their)
      .filter((member) => !(member in our))
      .map((member) => `${name}#${member}`),
  ]);
  // Compiled CommonJS marks itself, and Node from 23 on names its whole; those are no exports.
  const marks = new Set(['__esModule', 'module.exports']);
  const exported = Object.keys(theirs).filter((name) => !(name in ours) && !marks.has(name));
  return [...members, ...exported];
}

describe('parity with ioredis', () => {
  it('has every member and export of ioredis 6, but for named deviations', () => {
    assert.deepEqual(
      missing().filter((name) => deviations[name] === undefined),
      [],
    );
  });

  it('has no deviation that is no longer one', () => {
    const found = new Set(missing());
    assert.deepEqual(
      Object.keys(deviations).filter((name) => !found.has(name)),
      [],
    );
  });

  it('has every command of ioredis as a method, and in its Buffer form', () => {
    const peer = new theirs.Redis({ lazyConnect: true });
    const commands = peer.getBuiltinCommands();
    assert.ok(commands.length > 250);
    for (const [name, [, our]] of Object.entries(classes)) {
      for (const command of commands) {
        for (const method of [command, `${command}Buffer`]) {
          const value = (our.prototype as Record<string, unknown>)[method];
          assert.equal(typeof value, 'function', `${name}.${method}`);
        }
      }
    }
  });
});
