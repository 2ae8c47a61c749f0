// What the databases of one server share: the clock, the counters, how deadlines are kept, and who hears of changes.
// Owns: nothing. The databases' owner implements it; a store writes the counters and calls the hooks.
// Does not know: stores. A hook gets the index of the database that reports.

import type { World } from '../../lib/base/world.ts';
import type { AccessClock } from './access-clock.ts';
import type { EncodingLimits } from './encoding.ts';
import type { Entry } from './entry.ts';

/** One letter of notify-keyspace-events: g generic, $ string, l list, s set, h hash, z zset, t stream, x expired, ... */
export type EventKind = 'g' | '$' | 'l' | 's' | 'h' | 'z' | 't' | 'x' | 'e' | 'n' | 'm';

/** How deadlines are kept: `primary` deletes, `replica` hides, `applying` (the primary's own stream) ignores them. */
export type ExpiryMode = 'primary' | 'replica' | 'applying';

export interface StoreHost {
  readonly world: World;
  mode: ExpiryMode;
  /** Counts changes; a command that leaves it as it was is not replicated. */
  dirty: number;
  /** While a script runs: when it began, in ms since the epoch; keys that were there then stay until it has ended. */
  readonly frozenAt: number | undefined;
  /** Stamps keys that are touched. */
  readonly access: AccessClock;
  /** Up to where values are held in their compact form. */
  readonly limits: EncodingLimits;
  /** Keys found, keys not found, keys that expired: INFO's counters. */
  hits: number;
  misses: number;
  expired: number;
  /** Values that redis-server would have freed in the background. */
  lazyFreed: number;
  /** False while a command runs that writes: its look-ups are neither hits nor misses. Default true. */
  reading?: boolean | undefined;
  /** Called after a key ran out on a primary and was deleted. */
  onExpired: ((db: number, key: string) => void) | undefined;
  /** Called for each key event. */
  onEvent: ((db: number, kind: EventKind, event: string, key: string) => void) | undefined;
  /** Called when a key that someone waits for was changed. */
  onReady: ((db: number, key: string) => void) | undefined;
  /** Called for each key that changed, `byItself` when it ran out; undefined: nobody caches keys. */
  onTouched?: ((key: string, byItself: boolean) => void) | undefined;
  /** Called before an entry is handed out, while entries are held. */
  onTouch?: ((entry: Entry) => void) | undefined;
  /** False: deadlines are kept but nothing is deleted in the background. */
  activeExpiry: boolean;
  /** Checksums of payloads and files are not looked at: for tests with damaged ones. */
  skipChecksums: boolean;
  /** False: writes are paused, so what is due is hidden and stays. Default true. */
  deletesExpired?: boolean;
}
