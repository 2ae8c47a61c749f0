// ACL LOG: what was refused lately, newest first, similar events counted together. Pure on times that are handed in.

export type DenialContext = 'toplevel' | 'multi' | 'lua';

export interface DenialEvent {
  readonly reason: 'command' | 'key' | 'channel' | 'auth';
  readonly context: DenialContext;
  /** The command, key or channel that was refused. */
  readonly object: string;
  readonly username: string;
  /** The client, as CLIENT INFO prints it. */
  readonly client: string;
}

export interface LoggedDenial extends DenialEvent {
  readonly count: number;
  /** Wall clock in ms of the last one. */
  readonly at: number;
}

/** Events further apart are not the same, in ms. */
const groupingMs = 60_000;
/** Entries that are searched for a similar one. */
const searched = 10;

export class AclLog {
  #entries: LoggedDenial[] = [];

  get entries(): readonly LoggedDenial[] {
    return this.#entries;
  }

  /** Keeps at most `maximum` entries. */
  add(event: DenialEvent, at: number, maximum: number): void {
    const similar = this.#entries.findIndex((entry, place) => place < searched && isSimilar(entry, event, at));
    if (similar >= 0) {
      const [entry] = this.#entries.splice(similar, 1);
      this.#entries.unshift({ ...event, count: entry!.count + 1, at });
      return;
    }
    this.#entries.unshift({ ...event, count: 1, at });
    if (this.#entries.length > maximum) this.#entries.length = Math.max(0, maximum);
  }

  clear(): void {
    this.#entries = [];
  }
}

function isSimilar(entry: LoggedDenial, event: DenialEvent, at: number): boolean {
  return (
    entry.reason === event.reason &&
    entry.context === event.context &&
    Math.abs(at - entry.at) <= groupingMs &&
    entry.object === event.object &&
    entry.username === event.username
  );
}
