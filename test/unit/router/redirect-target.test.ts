// Where a redirect leads: the address, nobody, or a refusal.
import assert from 'node:assert/strict';
import { RedirectTargets } from '../../../lib/router/redirect-target.ts';

const to = (host: string, port = 7001): { host: string; port: number; slot: number } => ({ host, port, slot: 5 });

describe('router/redirect-target', () => {
  it('the address that is named; the host of the sender where none is; nobody for "?" and for nobody\'s own host', () => {
    const targets = new RedirectTargets(undefined, undefined, () => false);
    assert.equal(targets.of(to('10.0.0.1'), 'a:1'), '10.0.0.1:7001');
    assert.equal(targets.of(to(''), 'a:1'), 'a:7001');
    assert.equal(targets.of(to(''), '::1:6379'), '::1:7001');
    assert.equal(targets.of(to('?'), 'a:1'), undefined);
    assert.equal(targets.of(to(''), ''), undefined);
  });

  it('natMap translates what is named, not the own host of the sender; what it cannot translate names nobody', () => {
    const targets = new RedirectTargets({ 'in:7001': { host: 'out', port: 9 } }, undefined, () => false);
    assert.equal(targets.of(to('in'), 'a:1'), 'out:9');
    assert.equal(targets.of(to('else'), 'a:1'), 'else:7001');
    assert.equal(targets.of(to(''), 'in:1'), 'in:7001');
    const failing = new RedirectTargets(
      () => {
        throw new Error('no');
      },
      undefined,
      () => false,
    );
    assert.equal(failing.of(to('in'), 'a:1'), undefined);
    const odd = new RedirectTargets({ 'in:7001': { host: '', port: 0 } }, undefined, () => false);
    assert.equal(odd.of(to('in'), 'a:1'), undefined);
  });

  it('the guard decides about addresses that are new, by what natMap made of them', () => {
    const asked: string[] = [];
    const guard = (host: string, port: number): boolean => {
      asked.push(`${host}:${port}`);
      return host === 'good';
    };
    const natMap = { 'in:7001': { host: 'good', port: 1 } };
    const targets = new RedirectTargets(natMap, guard, (key) => key === 'known:7001');
    const cause = new Error('MOVED 5 bad:7001');
    assert.equal(targets.of(to('good'), 'a:1'), 'good:7001');
    assert.equal(targets.of(to('known'), 'a:1'), 'known:7001');
    assert.equal(targets.of(to('in'), 'a:1'), 'good:1');
    assert.equal(targets.of(to('a', 2), 'a:1'), 'a:2', 'another port of the host that was asked');
    assert.deepEqual(asked, ['good:7001', 'good:1']);
    const refused = targets.of(to('bad'), 'a:1', cause) as Error & { code: string; slot: number; node: string };
    assert.ok(refused instanceof Error);
    assert.deepEqual(
      [refused.code, refused.slot, refused.node, refused.cause],
      ['ERR_REDIRECT_REFUSED', 5, 'a:1', cause],
    );
    assert.ok(targets.of(to('bad'), '') instanceof Error, 'nobody is no host that was let in');
  });
});
