// Commands that servers are expected to have and that do little here: LOLWUT, MODULE.

import { type Reply, ReplyError, Verbatim } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup } from '../engine/registry.ts';
import { serverVersion } from '../engine/version.ts';
import { readLong } from '../keyspace/arguments.ts';

const mostColumns = 160;
const mostRows = 60;
const usual = { columns: 66, rows: 12 };

/** Skyscrapers by night: `LOLWUT [VERSION n] [columns] [rows]`. */
function lolwut(engine: Engine, argv: readonly string[]): Reply {
  let at = 1;
  // Without a version whatever follows is passed over, as redis-server does.
  const asked = argv[at]?.toLowerCase() === 'version' && argv.length > 2;
  if (asked) {
    readLong(argv[at + 1]!);
    at += 2;
  }
  const size = (text: string | undefined, most: number, fallback: number): number =>
    text === undefined || !asked ? fallback : Math.min(Math.max(1, readLong(text)), most);
  const columns = size(argv[at], mostColumns, usual.columns);
  const rows = size(argv[at + 1], mostRows, usual.rows);
  return new Verbatim(`${skyline(engine, columns, rows)}\nRedis ver. ${serverVersion}\n`);
}

function skyline(engine: Engine, columns: number, rows: number): string {
  const chance = (): number => engine.world.random();
  const lines = Array.from({ length: rows }, () => new Array<string>(columns).fill(' '));
  for (let column = 0; column < columns; ) {
    const width = 3 + Math.floor(chance() * 6);
    const height = 1 + Math.floor(chance() * rows);
    for (let x = column; x < Math.min(column + width, columns); x++) {
      for (let y = rows - height; y < rows; y++) lines[y]![x] = chance() < 0.3 ? ':' : '#';
    }
    column += width + Math.floor(chance() * 2);
  }
  return lines.map((line) => `${line.join('')}\n`).join('');
}

const noModules = new ReplyError('ERR Error loading the extension. Please check the server logs.');

export function oddCommands(engine: Engine): CommandGroup<Client> {
  return {
    lolwut: (_client, argv) => lolwut(engine, argv),
    'module|list': () => [],
    'module|load': () => noModules,
    'module|loadex': () => noModules,
    'module|unload': () => new ReplyError('ERR Error unloading module: no such module with that name'),
  };
}
