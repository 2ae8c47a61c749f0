// SAVE, BGSAVE and BGREWRITEAOF: what is begun, scheduled or refused while something else is under way.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { createEngine } from '../../../../server/command/all.ts';
import { execute } from '../../../../server/engine/dispatch.ts';
import type { Engine } from '../../../../server/engine/engine.ts';
import { nobody } from '../../../../server/engine/replay.ts';
import { persistenceCommands } from '../../../../server/persistence/commands.ts';
import { PersistenceManager } from '../../../../server/persistence/persistence.ts';

describe('the commands of persistence', () => {
  let dir: string;
  let world: ManualWorld;
  let engine: Engine;
  let saving: PersistenceManager;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-saves-'));
    world = new ManualWorld();
    engine = createEngine({ world, config: { dir, save: '' } });
    saving = new PersistenceManager(engine, (reason) => assert.fail(reason));
    engine.add(persistenceCommands(saving));
    await saving.load({ following: false });
  });
  afterEach(async () => {
    await saving.close();
    engine.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const say = (line: string, denyBlocking = false): string => {
    const client = engine.connect(nobody);
    client.denyBlocking = denyBlocking;
    const reply = execute(engine, client, line.split(' '));
    engine.disconnect(client);
    return reply !== null && typeof reply === 'object' && 'text' in reply ? String(reply.text) : String(reply);
  };

  it('SAVE writes a snapshot before it answers, and not while another is written', async () => {
    engine.databases.dirty = 3;
    assert.equal(say('SAVE'), 'OK');
    assert.equal(engine.databases.dirty, 0);
    assert.equal(say('BGSAVE'), 'Background saving started');
    assert.match(say('SAVE'), /ERR Background save already in progress/);
    assert.match(say('BGSAVE'), /ERR Background save already in progress/);
    await saving.saves.running?.ended;
    assert.equal(saving.snapshots.count, 2);
    assert.equal(say('LASTSAVE'), String(Math.floor(world.wallClock() / 1000)));
  });

  it('a BGSAVE that is scheduled begins when the rewrite is over', async () => {
    assert.equal(say('BGREWRITEAOF'), 'Background append only file rewriting started');
    assert.match(say('BGREWRITEAOF'), /rewriting already in progress/);
    assert.match(say('BGSAVE'), /Another child process is active/);
    assert.match(say('BGSAVE now'), /syntax error/);
    assert.equal(say('BGSAVE SCHEDULE'), 'Background saving scheduled');
    world.forward(100);
    assert.equal(saving.snapshots.running, false);
    await saving.aof.rewrites.done;
    world.forward(100);
    assert.equal(saving.snapshots.running, true);
    await saving.saves.running?.ended;
    world.forward(1000);
    assert.equal(saving.snapshots.begun, 1, 'once');
  });

  it('BGREWRITEAOF waits for a snapshot, and both wait for the end of a transaction', async () => {
    assert.equal(say('BGSAVE', true), 'Background saving scheduled');
    world.forward(100);
    assert.equal(saving.snapshots.running, true);
    assert.equal(say('BGREWRITEAOF'), 'Background append only file rewriting scheduled');
    assert.equal(saving.aof.rewrites.running, false);
    await saving.saves.running?.ended;
    world.forward(100);
    assert.equal(saving.aof.rewrites.running, true);
    await saving.aof.rewrites.done;
    assert.equal(say('BGREWRITEAOF', true), 'Background append only file rewriting scheduled');
  });
});
