// Reply values and the errors by which a cluster redirects, both ways: what the client parses, the server prints.
// Sources: RESP2/RESP3 protocol specification; redis-server 7.0 src/cluster.c (clusterRedirectClient).

/** An error reply (`-CODE text` or RESP3 `!`). `message` is the whole text, `code` its first word when upper-case. */
export class ReplyError extends Error {
  /** The first word of the text (`MOVED`, `WRONGTYPE`, `ERR`, ...). */
  readonly code: string;
  /** What may help: not part of the message, shown in `stack`. */
  declare readonly hint?: string;
  /** The command that was refused; set by the client when it settles the call. */
  declare command?: { name: string; args: unknown[] };
  /** Errors that aborted a transaction (EXECABORT only). */
  declare previousErrors?: Error[];

  constructor(message: string) {
    // Replies are values on the hot path: a captured stack would show only the decoder.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      super(message);
    } finally {
      // Also where the stack was full: the limit is everybody's.
      Error.stackTraceLimit = limit;
    }
    const space = message.indexOf(' ');
    this.code = space < 0 ? message : message.slice(0, space);
  }

  override get name(): string {
    return 'ReplyError';
  }
}

/** A RESP3 push frame (`>`): out of band, never an answer. Elements are bytes, whatever the session decodes to. */
export class Push {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** A RESP3 verbatim string; only the server makes these (the client's decoder yields the text alone). */
export class Verbatim {
  readonly text: string;
  readonly format: string;
  constructor(text: string, format = 'txt') {
    this.text = text;
    this.format = format;
  }
}

export interface Redirect {
  readonly kind: 'moved' | 'ask';
  readonly slot: number;
  /** As sent; `''` means "the host you asked", `'?'` an unknown one. IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Parses `MOVED 3999 127.0.0.1:6381` or `ASK ...`, what is behind it ignored; undefined when it is neither or malformed. */
export function parseRedirect(message: string): Redirect | undefined {
  const moved = message.startsWith('MOVED ');
  if (!moved && !message.startsWith('ASK ')) return undefined;
  const slotStart = moved ? 6 : 4;
  const slotEnd = message.indexOf(' ', slotStart);
  if (slotEnd < 0) return undefined;
  const slot = parseDigits(message.slice(slotStart, slotEnd));
  const address = message
    .slice(slotEnd + 1)
    .trimStart()
    .split(/\s/, 1)[0]!;
  const colon = address.lastIndexOf(':');
  if (slot === undefined || slot > 16383 || colon < 0) return undefined;
  const port = parseDigits(address.slice(colon + 1));
  if (port === undefined || port < 1 || port > 65535) return undefined;
  let host = address.slice(0, colon);
  if (host.startsWith('[') && host.endsWith(']')) host = host.slice(1, -1);
  return { kind: moved ? 'moved' : 'ask', slot, host, port };
}

export function printRedirect(redirect: Redirect): string {
  return `${redirect.kind === 'moved' ? 'MOVED' : 'ASK'} ${redirect.slot} ${redirect.host}:${redirect.port}`;
}

function parseDigits(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) ? Number(text) : undefined;
}

/** Error texts that routing answers with; the exact texts of redis-server 7.0. */
export const refusals = {
  crossSlot: "CROSSSLOT Keys in request don't hash to the same slot",
  tryAgain: 'TRYAGAIN Multiple keys request during rehashing of slot',
  slotNotServed: 'CLUSTERDOWN Hash slot not served',
  clusterDown: 'CLUSTERDOWN The cluster is down',
  clusterDownReadsOnly: 'CLUSTERDOWN The cluster is down and only accepts read commands',
  readOnly: "READONLY You can't write against a read only replica.",
  masterDown: "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  loading: 'LOADING Redis is loading the dataset in memory',
} as const;

/** A simple string reply (`+OK`), as opposed to a bulk string. */
export class Status {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A double (`,1.5` in RESP3, a bulk string of its shortest text in RESP2). */
export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** An integer of any length (`(` in RESP3, a bulk string in RESP2), given as its digits. */
export class BigNumber {
  readonly digits: string;
  constructor(digits: string) {
    this.digits = digits;
  }
}

/** A reply with attributes before it, which RESP2 leaves out. */
export class Attributed {
  readonly attributes: ReadonlyMap<Reply, Reply>;
  readonly reply: Reply;
  constructor(attributes: ReadonlyMap<Reply, Reply>, reply: Reply) {
    this.attributes = attributes;
    this.reply = reply;
  }
}

/** The null array (`*-1`; `_` in RESP3): what a blocking pop that timed out answers. */
export class NullArray {
  static readonly value: NullArray = new NullArray();
  readonly kind = 'null array';
}

export const OK: Status = new Status('OK');
export const PONG: Status = new Status('PONG');
export const QUEUED: Status = new Status('QUEUED');

/**
 * What a server answers. `string` is a bulk string holding one byte per char (latin1), numbers are integers,
 * `null` the null bulk; Map and Set print as RESP3 map and set, and as flat arrays in RESP2.
 */
export type Reply =
  | string
  | number
  | bigint
  | boolean
  | null
  | ReplyError
  | Status
  | Double
  | Verbatim
  | BigNumber
  | NullArray
  | Attributed
  | Push
  | readonly Reply[]
  | ReadonlyMap<Reply, Reply>
  | ReadonlySet<Reply>;
