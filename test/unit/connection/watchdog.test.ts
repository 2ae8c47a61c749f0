import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { findingsOf } from '../../../lib/connection/inquiry.ts';
import { neverArrived, Watchdog } from '../../../lib/connection/watchdog.ts';

const limit = 1000;

describe('connection/watchdog', () => {
  it('wonders only after the limit, and asks once at a time', () => {
    const dog = new Watchdog(new ManualWorld());
    assert.equal(dog.look(999, limit, false), false);
    assert.equal(dog.opinion, 'fine');
    assert.equal(dog.look(1000, limit, false), true);
    assert.equal(dog.opinion, 'suspect');
    assert.equal(dog.look(1100, limit, false), false, 'an inquiry is under way');
  });

  it('holds nobody back behind a call that may take its time, until the server answers nobody', () => {
    const dog = new Watchdog(new ManualWorld());
    assert.equal(dog.look(1000, limit, true), true);
    assert.equal(dog.holds, false);
    assert.equal(dog.found({ kind: 'mute' }, 2000, limit), 'wait');
    assert.equal(dog.holds, true);
  });

  it('asks with growing pauses, for hours', () => {
    const world = new ManualWorld();
    const dog = new Watchdog(world);
    const pauses: number[] = [];
    let silence = 1000;
    assert.equal(dog.look(silence, limit, false), true);
    for (let asked = 0; asked < 10; asked++) {
      assert.equal(dog.found({ kind: 'mute' }, silence, limit), 'wait');
      const begun = world.now();
      while (!dog.look(silence, limit, false)) {
        world.forward(50);
        silence += 50;
      }
      pauses.push(world.now() - begun);
    }
    assert.ok(pauses[0]! >= 1000 && pauses[0]! <= 1300, String(pauses));
    assert.ok(pauses.at(-1)! >= 8000 && pauses.at(-1)! <= 9700, String(pauses));
  });

  it('never closes what is busy, unexplained or mute, however long', () => {
    for (const kind of ['busy', 'alive', 'mute'] as const) {
      const dog = new Watchdog(new ManualWorld());
      dog.look(1000, limit, false);
      assert.equal(dog.found({ kind }, 3_600_000, limit), 'wait', kind);
    }
  });

  it('takes a connection for lost that the server does not have', () => {
    const dog = new Watchdog(new ManualWorld());
    dog.look(1000, limit, false);
    assert.equal(dog.found({ kind: 'gone' }, 1000, limit), 'lost');
  });

  it('takes a path for dead only after several times the limit, on both sides of it', () => {
    const rule = (idle: number, silence: number): string => {
      const dog = new Watchdog(new ManualWorld());
      dog.look(silence, limit, false);
      return dog.found({ kind: 'idle', idle }, silence, limit);
    };
    assert.equal(rule(60, 5000), 'wait');
    assert.equal(rule(5, 60_000), 'wait');
    assert.equal(rule(6, 6000), 'kill');
  });

  it('forgets its doubts at the first byte, and an answer that comes later changes nothing', () => {
    const dog = new Watchdog(new ManualWorld());
    dog.look(1000, limit, false);
    assert.equal(dog.reset(), true);
    assert.equal(dog.opinion, 'fine');
    assert.equal(dog.found({ kind: 'gone' }, 0, limit), 'wait');
    assert.equal(dog.reset(), false);
  });
});

describe('connection/inquiry: what CLIENT LIST shows', () => {
  const line = (more: string, id = 5, age = 100): string =>
    `id=${id} addr=127.0.0.1:1 laddr=127.0.0.1:2 fd=8 name= age=${age} ${more} db=0 resp=3\n`;
  const rows: [string, string, string][] = [
    ['nothing pending', line('idle=9 flags=N qbuf=0 argv-mem=0 obl=0 oll=0 omem=0'), 'idle'],
    ['blocked, or paused', line('idle=9 flags=b qbuf=0'), 'busy'],
    ['bytes of a command', line('idle=9 flags=N qbuf=12'), 'busy'],
    ['a command in part', line('idle=9 flags=N qbuf=0 argv-mem=20'), 'busy'],
    ['a reply that waits', line('idle=9 flags=N qbuf=0 obl=5'), 'busy'],
    ['no such client', '', 'gone'],
    ['another one with the same number, of a server started again', line('idle=0 flags=N', 5, 3), 'gone'],
    ['a server that lists everybody', line('idle=0 flags=N', 15) + line('idle=1 flags=N qbuf=0'), 'idle'],
    ['something else', 'OK', 'alive'],
    ['fewer fields', 'id=5 addr=1', 'alive'],
  ];
  for (const [what, text, kind] of rows) {
    it(`${what}: ${kind}`, () => assert.equal(findingsOf(text, 5, 100_000).kind, kind));
  }

  it('knows what cannot have arrived', () => {
    assert.equal(neverArrived(10, 8000), true);
    assert.equal(neverArrived(10, 8001), false);
    assert.equal(neverArrived(0, 1000), false);
  });
});
