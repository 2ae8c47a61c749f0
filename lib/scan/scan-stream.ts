// SCAN and its kin as streams: each chunk is one page, an array of what the server gave. ScanStream reads one cursor
// of one node or key; the scan of a whole cluster (cluster-scan.ts) is a ScanStream with pages from elsewhere.

import { Readable, type ReadableOptions } from 'node:stream';

/** Of scanStream() and its kin. */
export interface ScanStreamOptions {
  /** Glob pattern that elements must match. */
  match?: string;
  /** Keys of this type only (SCAN). */
  type?: string;
  /** How much work one SCAN does; a hint. */
  count?: number;
  /** Fields without their values (HSCAN; servers from 7.4). */
  noValues?: boolean;
}

type ScanReply = readonly [cursor: string | Buffer, items: readonly unknown[]];

/** What ScanStream takes: the client, its method, and how to scan. */
export interface ScanStreamSettings extends Omit<ScanStreamOptions, 'count'>, ReadableOptions {
  /** The client to scan with; it has a method named by `command`. */
  redis: object;
  /** `scan`, `sscan`, `hscan`, `zscan` or a Buffer form of them. */
  command: string;
  /** For all but SCAN. */
  key?: string | Buffer | undefined;
  /** How much work one SCAN does; a hint. Default: the server's, 10. */
  count?: number | string | undefined;
}

/** What a scan asks for beside its cursor. */
export function scanArguments(
  options: Omit<ScanStreamOptions, 'count'> & { count?: number | string | undefined },
): string[] {
  const args: string[] = [];
  if (options.match) args.push('MATCH', options.match);
  if (options.type) args.push('TYPE', options.type);
  if (options.count) args.push('COUNT', String(options.count));
  if (options.noValues) args.push('NOVALUES');
  return args;
}

/** A readable of pages. A page may be empty; an element may come more than once, as SCAN has it. */
export class ScanStream extends Readable {
  readonly #settings: ScanStreamSettings;
  #cursor = '0';
  #drained = false;

  constructor(settings: ScanStreamSettings) {
    const {
      redis: _redis,
      command: _command,
      key: _key,
      match: _match,
      type: _type,
      count: _count,
      ...rest
    } = settings;
    const { noValues: _noValues, ...options } = rest;
    super({ objectMode: true, ...options });
    this.#settings = settings;
  }

  /** Asks for no further page: the stream ends after the one that is under way. */
  close(): void {
    this.#drained = true;
  }

  override _read(): void {
    if (this.#drained) {
      this.push(null);
      return;
    }
    this.nextPage().then(
      (page) => {
        if (page === undefined) this.#drained = true;
        this.push(page ?? null);
      },
      (error: Error) => this.destroy(error),
    );
  }

  /** The next page; undefined when there is none. */
  protected async nextPage(): Promise<readonly unknown[] | undefined> {
    const { redis, command, key } = this.#settings;
    const args: unknown[] = [...(key === undefined ? [] : [key]), this.#cursor, ...scanArguments(this.#settings)];
    const scan = (redis as Record<string, (args: unknown[]) => Promise<ScanReply>>)[command]!;
    const [cursor, items] = await scan.call(redis, args);
    this.#cursor = String(cursor);
    if (this.#cursor === '0') this.#drained = true;
    return items;
  }
}

/** The streams over one key, alike on every client. */
export interface KeyScanStreams {
  /** Pages of the members of a set. */
  sscanStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream;
  sscanBufferStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream;
  /** Pages of `[field, value, field, value, ...]` of a hash; fields alone with `noValues`. */
  hscanStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream;
  hscanBufferStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream;
  /** Pages of `[member, score, member, score, ...]` of a sorted set. */
  zscanStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream;
  zscanBufferStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream;
}

/** Puts KeyScanStreams on the prototype of a client. */
export function installScanStreams(prototype: object): void {
  const methods = prototype as Record<string, unknown>;
  for (const command of ['sscan', 'hscan', 'zscan']) {
    for (const form of ['', 'Buffer']) {
      methods[`${command}${form}Stream`] = function scanStream(
        this: object,
        key: string | Buffer,
        options: ScanStreamOptions = {},
      ): ScanStream {
        return new ScanStream({ ...options, key, redis: this, command: `${command}${form}` });
      };
    }
  }
}
