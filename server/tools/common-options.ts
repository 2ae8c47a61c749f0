// Options that several commands of the command line share, each with one spelling, one range and one help text.

export interface NumberOption<Kind extends 'integer' | 'bytes' | 'duration'> {
  readonly kind: Kind;
  readonly value: string;
  readonly help: string;
  readonly least?: number;
  readonly most?: number;
  readonly default: number;
}

/** Time between two of `what`; `shown`: the default as people write it. */
export function intervalOption(ms: number, shown: string, what: string): NumberOption<'duration'> {
  const help = `time between two ${what}; default ${shown}`;
  return { kind: 'duration', value: 'TIME', least: 100, most: 86_400_000, default: ms, help };
}

/** For how long `what` is measured. */
export function measuredForOption(what: string): NumberOption<'duration'> {
  const help = `how long ${what} measured; default 2s`;
  return { kind: 'duration', value: 'TIME', least: 100, most: 600_000, default: 2000, help };
}

interface KeyScanOptions {
  readonly rate: NumberOption<'integer'>;
  readonly limit: { readonly kind: 'integer'; readonly value: string; readonly least: number; readonly help: string };
}

/** Of the commands that walk through the keys of every master. */
export const keyScanOptions: KeyScanOptions = {
  rate: {
    kind: 'integer',
    value: 'N',
    least: 100,
    default: 20_000,
    help: 'keys looked at by second on a node; default 20000',
  },
  limit: { kind: 'integer', value: 'N', least: 1, help: 'keys looked at on a node; default: all' },
};

interface ListenOptions {
  readonly port: NumberOption<'integer'>;
  readonly host: { readonly kind: 'text'; readonly value: string; readonly default: string; readonly help: string };
}

/** Of the commands that serve HTTP. */
export function listenOptions(port: number): ListenOptions {
  const help = `port to listen on; 0: a free one; default ${port}`;
  return {
    port: { kind: 'integer', value: 'N', least: 0, most: 65_535, default: port, help },
    host: { kind: 'text', value: 'NAME', default: '127.0.0.1', help: 'address to listen on; default 127.0.0.1' },
  };
}
