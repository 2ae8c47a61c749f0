// The book of the ledger proof: every write with its id and the outcome of its call, and the comparison with what the
// servers hold afterwards. Knows no client and no fault.

/** The lists (and one stream) of a tag in which ids are found again. */
export const ledgers = ['push', 'stream', 'log', 'tx', 'moved', 'odd'] as const;
export type LedgerName = (typeof ledgers)[number];

type Outcome = 'open' | 'ok' | 'nothing' | 'rejected';

/** One write: made, settled, and how often the servers have it. */
export interface Entry {
  readonly id: string;
  readonly kind: string;
  readonly tag: string;
  readonly ledger: LedgerName;
  readonly start: number;
  end: number;
  outcome: Outcome;
  error: Error | undefined;
  /** Behind it, a write on the same master was acknowledged by a replica. */
  confirmed: boolean;
}

export interface Rules {
  /** May a write be sent again after its socket was lost? */
  readonly resend: 'all' | 'readonly';
  /** Most times that it may. */
  readonly maxResends: number;
  /** A master dies: what no replica had confirmed may be gone. */
  readonly crash: boolean;
  /** Was a socket of a node that served this tag lost, by the network or the server, in this time? */
  lostByOthers(tag: string, from: number, to: number): boolean;
}

export interface Findings {
  commands: number;
  ok: number;
  rejected: number;
  /** Writes that ran more than once, by the rules of resending. */
  repeated: number;
  /** Acknowledged, not confirmed by a replica, gone with their master. */
  lostUnconfirmed: number;
  confirmed: number;
  readonly errors: Map<string, number>;
  readonly violations: string[];
}

export function noFindings(): Findings {
  return {
    commands: 0,
    ok: 0,
    rejected: 0,
    repeated: 0,
    lostUnconfirmed: 0,
    confirmed: 0,
    errors: new Map(),
    violations: [],
  };
}

export class Book {
  readonly entries: Entry[] = [];
  readonly #prefix: string;
  #settled = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  get open(): number {
    return this.entries.length - this.#settled;
  }

  begin(kind: string, tag: string, ledger: LedgerName): Entry {
    const entry: Entry = {
      id: `${this.#prefix}:${this.entries.length}`,
      kind,
      tag,
      ledger,
      start: performance.now(),
      end: Number.POSITIVE_INFINITY,
      outcome: 'open',
      error: undefined,
      confirmed: false,
    };
    this.entries.push(entry);
    return entry;
  }

  settle(entry: Entry, error: Error | null | undefined, value: unknown): void {
    this.#settled++;
    entry.end = performance.now();
    entry.error = error ?? undefined;
    entry.outcome = error ? 'rejected' : value === null || value === undefined ? 'nothing' : 'ok';
  }

  /** Acknowledged and not confirmed so far, among these tags. */
  unconfirmed(tags: ReadonlySet<string>): Entry[] {
    return this.entries.filter((entry) => entry.outcome === 'ok' && !entry.confirmed && tags.has(entry.tag));
  }
}

/** What the servers hold of one tag: the ids of each ledger as often as they are there, the counter and the set. */
export interface Held {
  readonly ids: Readonly<Record<LedgerName, readonly string[]>>;
  readonly count: number;
  readonly members: readonly string[];
}

/** Judges every entry. `where` is put before each violation (seed, shape, fault). */
export function compare(book: Book, held: ReadonlyMap<string, Held>, rules: Rules, where: string): Findings {
  const findings = noFindings();
  const times = new Map<string, number>();
  for (const { ids } of held.values()) {
    for (const ledger of ledgers) for (const id of ids[ledger]) times.set(id, (times.get(id) ?? 0) + 1);
  }
  for (const entry of book.entries) judge(entry, times.get(entry.id) ?? 0, rules, where, findings);
  for (const [tag, { ids, count, members }] of held) {
    if (count !== ids.log.length)
      findings.violations.push(`${where}: {${tag}} a script ran in part: counter ${count}, log ${ids.log.length}`);
    const inSet = new Set(members);
    const inList = new Set(ids.tx);
    for (const id of inSet) if (!inList.has(id)) findings.violations.push(`${where}: {${tag}} ${id} transaction torn`);
    for (const id of inList) if (!inSet.has(id)) findings.violations.push(`${where}: {${tag}} ${id} transaction torn`);
  }
  return findings;
}

function judge(entry: Entry, found: number, rules: Rules, where: string, findings: Findings): void {
  findings.commands++;
  if (entry.outcome === 'rejected') {
    findings.rejected++;
    const text = wordsOf(entry.error!);
    findings.errors.set(text, (findings.errors.get(text) ?? 0) + 1);
  } else if (entry.outcome === 'ok') findings.ok++;
  if (entry.confirmed) findings.confirmed++;
  const excused = rules.lostByOthers(entry.tag, entry.start, entry.end);
  const complain = (what: string): void => {
    const { writes, attempts } = (entry.error ?? {}) as { writes?: number; attempts?: number };
    const detail = entry.error === undefined ? '' : ` (${entry.error.message}; attempts ${attempts}, writes ${writes})`;
    const life = entry.outcome === 'open' ? 'open' : `${Math.round(entry.end - entry.start)} ms`;
    findings.violations.push(
      `${where}: ${what}: id ${entry.id}, ${entry.kind} at {${entry.tag}}:${entry.ledger}, ${entry.outcome}${detail}, ${found} times in the ledger, ${life}${excused ? ', a socket was lost by others' : ''}`,
    );
  };
  if (entry.outcome === 'open') complain('never settled');
  if (entry.outcome === 'ok' && found === 0) {
    if (rules.crash && !entry.confirmed) findings.lostUnconfirmed++;
    else complain('lost after OK');
  }
  const most = rules.resend === 'all' && excused ? 1 + rules.maxResends : 1;
  if (found > most) complain(`executed more than ${most} times`);
  else if (found > 1) findings.repeated++;
  if (entry.outcome !== 'rejected') return;
  const { writes } = entry.error as { writes?: number };
  // A server's refusal is an answer; every other error has to say how often the bytes left.
  if (writes !== undefined ? found > writes : found > 0 && entry.error!.name !== 'ReplyError')
    complain('executed more often than its error says it was written');
}

function wordsOf(error: Error): string {
  return `${error.name}: ${error.message.replace(/\d+(\.\d+)*(:\d+)?/g, 'n').slice(0, 70)}`;
}
