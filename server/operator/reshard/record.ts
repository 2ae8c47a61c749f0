// What is known of one slot's move, as plain data: enough to show it, and to take it up again after a crash.
// Invariant: a record survives print and parse unchanged; a file that is not a list of records is refused whole.

import { slotCount } from '../../../lib/wire/slot.ts';
import type { MovingNode } from '../link/cluster-link.ts';

/**
 * waiting -> opening -> moving -> deciding -> done; or, called off: turning -> returning -> closing -> cancelled.
 * `failed`: it could not go on; the slot may be open still, and can be taken up again.
 */
export type MovePhase =
  | 'waiting'
  | 'opening'
  | 'moving'
  | 'deciding'
  | 'turning'
  | 'returning'
  | 'closing'
  | 'done'
  | 'cancelled'
  | 'failed';

export type MoveDirection = 'forward' | 'back';

/** One end of a move. `heirs`: the replicas that may have become master in its place. */
export interface MoveEnd extends MovingNode {
  readonly heirs: readonly string[];
}

export interface MoveRecord {
  readonly slot: number;
  readonly source: MoveEnd;
  readonly target: MoveEnd;
  readonly phase: MovePhase;
  readonly direction: MoveDirection;
  /** 1 (last) to 10 (first); moves of higher priority start earlier. */
  readonly priority: number;
  /** Keys handed over so far, and how many there were in all when it was last counted. */
  readonly keysMoved: number;
  readonly keysTotal: number;
  /** Bytes of memory that the moved keys took at the source, by MEMORY USAGE. */
  readonly bytesMoved: number;
  /** Milliseconds since 1970; null: not yet. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Times that it had to be taken up again. */
  readonly attempts: number;
  /** Why it failed, or why it was called off. */
  readonly error: string | null;
}

/** A record with what follows from it. */
export interface MoveStatus extends MoveRecord {
  readonly paused: boolean;
  /** Keys per second since it started. */
  readonly rate: number;
}

export const endPhases: ReadonlySet<MovePhase> = new Set<MovePhase>(['done', 'cancelled', 'failed']);

export function newRecord(slot: number, source: MoveEnd, target: MoveEnd, priority: number): MoveRecord {
  return {
    slot,
    source,
    target,
    phase: 'waiting',
    direction: 'forward',
    priority,
    keysMoved: 0,
    keysTotal: 0,
    bytesMoved: 0,
    startedAt: null,
    endedAt: null,
    attempts: 0,
    error: null,
  };
}

export function statusOf(record: MoveRecord, now: number, paused: boolean): MoveStatus {
  const seconds = record.startedAt === null ? 0 : ((record.endedAt ?? now) - record.startedAt) / 1000;
  return { ...record, paused, rate: seconds > 0 ? Math.round(record.keysMoved / seconds) : 0 };
}

const format = 'lingcache-moves';
const version = 1;

export function printRecords(records: readonly MoveRecord[]): string {
  // A line for each: thousands of them are written while slots move.
  const moves = records.map((record) => `\n${JSON.stringify(record)}`).join(',');
  return `{"format":"${format}","version":${version},"moves":[${moves}\n]}\n`;
}

/** Throws an Error that names the field at fault. */
export function parseRecords(text: string): MoveRecord[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new Error(`not JSON: ${(error as Error).message}`);
  }
  const fields = objectAt(file, 'file');
  if (fields['format'] !== format) throw new Error(`format: not a file of slot moves`);
  if (fields['version'] !== version) throw new Error(`version: ${String(fields['version'])} is not ${version}`);
  const moves = fields['moves'];
  if (!Array.isArray(moves)) throw new Error('moves: not a list');
  const records = moves.map((move, at) => parseRecord(move, `moves[${at}]`));
  if (new Set(records.map(({ slot }) => slot)).size < records.length) throw new Error('moves: a slot is there twice');
  return records;
}

const phases = new Set<string>(
  'waiting opening moving deciding turning returning closing done cancelled failed'.split(' '),
);

function parseRecord(value: unknown, where: string): MoveRecord {
  const fields = objectAt(value, where);
  const integer = (name: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number => {
    const number = fields[name];
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= least && number <= most) return number;
    throw new Error(`${where}.${name}: not an integer within ${least}..${most}`);
  };
  const time = (name: string): number | null => {
    const ms = fields[name];
    if (ms === null || (typeof ms === 'number' && Number.isFinite(ms))) return ms;
    throw new Error(`${where}.${name}: not a time`);
  };
  const { phase, direction, error } = fields;
  if (typeof phase !== 'string' || !phases.has(phase)) throw new Error(`${where}.phase: unknown`);
  if (direction !== 'forward' && direction !== 'back') throw new Error(`${where}.direction: unknown`);
  if (error !== null && typeof error !== 'string') throw new Error(`${where}.error: not a text`);
  return {
    slot: integer('slot', 0, slotCount - 1),
    source: parseEnd(fields['source'], `${where}.source`),
    target: parseEnd(fields['target'], `${where}.target`),
    phase: phase as MovePhase,
    direction,
    priority: integer('priority', 1, 10),
    keysMoved: integer('keysMoved', 0),
    keysTotal: integer('keysTotal', 0),
    bytesMoved: integer('bytesMoved', 0),
    startedAt: time('startedAt'),
    endedAt: time('endedAt'),
    attempts: integer('attempts', 0),
    error,
  };
}

function parseEnd(value: unknown, where: string): MoveEnd {
  const { id, host, port, heirs } = objectAt(value, where);
  if (typeof id !== 'string' || id === '') throw new Error(`${where}.id: not an id`);
  if (typeof host !== 'string' || host === '') throw new Error(`${where}.host: not a name`);
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error(`${where}.port: not a port`);
  }
  if (!Array.isArray(heirs) || heirs.some((heir) => typeof heir !== 'string'))
    throw new Error(`${where}.heirs: no ids`);
  return { id, host, port, heirs: heirs as string[] };
}

function objectAt(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${where}: not an object`);
}
