// What the dashboard's server sends to its page, as JSON in server-sent events. Types alone: both sides read them.

export interface NodeRow {
  readonly id: string;
  readonly address: string;
  readonly role: 'master' | 'replica';
  /** Id of the master of its shard. */
  readonly shard: string;
  readonly status: string;
  readonly server: string;
  readonly slots: number;
  readonly keys: number | null;
  readonly memory: number | null;
  readonly maxMemory: number | null;
  readonly clients: number | null;
  readonly pingMs: number | null;
  readonly lagBytes: number | null;
  readonly linkUp: boolean | null;
  readonly ops: number | null;
  readonly cpu: number | null;
  readonly redirects: number | null;
}

export interface Totals {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly ops: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly redirects: number;
  readonly errors: number;
  readonly memory: number;
  readonly keys: number;
  readonly clients: number;
}

export interface EventRow {
  readonly at: number;
  readonly kind: string;
  readonly severity: 'bad' | 'good' | 'info';
  readonly node: string;
  readonly text: string;
}

interface HotSlot {
  readonly slot: number;
  /** Share of one thread's time, 0 to 1. */
  readonly busy: number;
  readonly bytesPerSecond: number;
  readonly keys: number;
}

export interface MoveRow {
  readonly slot: number;
  readonly from: string;
  readonly to: string;
  readonly state: string;
  readonly done: number;
  readonly total: number;
}

interface OpenSlotRow {
  readonly slot: number;
  readonly state: 'migrating' | 'importing';
  readonly node: string;
  readonly peer: string;
}

/** Event `hello`: once, when the page connects. */
export interface Hello {
  readonly operate: boolean;
  readonly intervalMs: number;
  readonly history: readonly Totals[];
  readonly events: readonly EventRow[];
}

/** Event `frame`: one sample. */
export interface Frame {
  readonly health: string;
  readonly problems: readonly string[];
  readonly nodes: readonly NodeRow[];
  /** `[first slot, last slot, index in nodes]`, ascending; what is missing belongs to nobody. */
  readonly owners: readonly (readonly [number, number, number])[];
  readonly open: readonly OpenSlotRow[];
  readonly hot: readonly HotSlot[];
  readonly totals: Totals;
  readonly events: readonly EventRow[];
  readonly moves: readonly MoveRow[];
  readonly viewsAgree: boolean;
  readonly epoch: number;
}

/** Event `heat`: how many keys each slot has against the fullest, a digit 0 to f for each of the 16,384 slots. */
export interface Heat {
  readonly digits: string;
}

/** Event `trouble`: no node of the cluster answered. */
export interface Trouble {
  readonly message: string;
}
