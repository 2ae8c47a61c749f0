import assert from 'node:assert/strict';
import { AclLog, type DenialEvent } from '../../../../server/acl/log.ts';

const event = (object: string, more: Partial<DenialEvent> = {}): DenialEvent => ({
  reason: 'key',
  context: 'toplevel',
  object,
  username: 'u',
  client: `client of ${object}`,
  ...more,
});

describe('the log of refusals', () => {
  it('counts what is alike within a minute, the newest first', () => {
    const log = new AclLog();
    log.add(event('a'), 0, 10);
    log.add(event('b'), 10, 10);
    log.add(event('a', { client: 'later' }), 60_000, 10);
    assert.deepEqual(
      log.entries.map(({ object, count, at, client }) => [object, count, at, client]),
      [
        ['a', 2, 60_000, 'later'],
        ['b', 1, 10, 'client of b'],
      ],
    );
    log.add(event('a'), 120_001, 10);
    assert.equal(log.entries.length, 3);
  });

  it('keeps apart what differs in reason, context, object or user', () => {
    const log = new AclLog();
    for (const more of [{}, { reason: 'auth' }, { context: 'multi' }, { object: 'b' }, { username: 'v' }] as const) {
      log.add(event('a', more), 0, 10);
    }
    assert.equal(log.entries.length, 5);
  });

  it('looks for the like among the last ten only, and keeps no more than it may', () => {
    const log = new AclLog();
    for (let at = 0; at < 12; at++) log.add(event(`k${at}`), at, 5);
    assert.deepEqual(
      log.entries.map(({ object }) => object),
      ['k11', 'k10', 'k9', 'k8', 'k7'],
    );
    log.add(event('k12'), 12, 0);
    assert.equal(log.entries.length, 0);
    for (let at = 0; at < 12; at++) log.add(event(`k${at}`), at, 100);
    log.add(event('k0'), 13, 100);
    assert.equal(log.entries.length, 13);
    log.clear();
    assert.equal(log.entries.length, 0);
  });
});
