// The keys that are used most: by OBJECT FREQ where servers keep it (an LFU policy), or by listening to MONITOR for a
// while, which has to be asked for since it costs the server.
// Invariant: MONITOR is heard for as long as was said, up to a number of lines, and the connection is closed then.

import { type ClusterLink, isMaster, isReachable, type NodeAddress } from '../link/cluster-link.ts';
import { type KeyScanOptions, type ScanOutcome, scanKeys, Top } from './key-scan.ts';

interface HotKey {
  readonly key: string;
  /** The server's logarithmic counter, 0 to 255, or commands by second that MONITOR showed. */
  readonly figure: number;
  readonly database: number;
  readonly node: string;
}

export interface HotKeys {
  readonly by: 'frequency' | 'monitor';
  readonly keys: readonly HotKey[];
  readonly outcome: ScanOutcome;
}

export interface HotKeyOptions extends KeyScanOptions {
  /** Keys listed. Default 16. */
  readonly top?: number | undefined;
}

/** Rejects with an Error that says what to do where no server keeps frequencies. */
export async function hotKeysByFrequency(link: ClusterLink, options: HotKeyOptions = {}): Promise<HotKeys> {
  const top = new Top<HotKey>(options.top ?? 16, ({ figure }) => figure);
  let counted = 0;
  let asked = 0;
  const outcome = await scanKeys(
    link,
    [[['OBJECT', 'FREQ'], []]],
    ({ key, database, node, replies: [figure] }) => {
      asked++;
      if (typeof figure !== 'number') return;
      counted++;
      top.add({ key, figure, database, node });
    },
    options,
  );
  if (asked > 0 && counted === 0)
    throw new Error('no node keeps frequencies: maxmemory-policy must be an LFU one, or use --monitor TIME');
  return { by: 'frequency', keys: top.entries, outcome };
}

export interface MonitorOptions {
  readonly top?: number | undefined;
  readonly durationMs: number;
  /** Lines heard from every node at most. Default 200000. */
  readonly maxLines?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const maxKeys = 200_000;

export async function hotKeysByMonitor(link: ClusterLink, options: MonitorOptions): Promise<HotKeys> {
  const masters = (await link.view()).filter((node) => isMaster(node) && node.ranges.length > 0);
  const top = new Top<HotKey>(options.top ?? 16, ({ figure }) => figure);
  const problems: string[] = [];
  let [scanned, partial] = [0, false];
  await Promise.all(
    masters.map(async (node) => {
      const address = `${node.host}:${node.port}`;
      if (!isReachable(node)) return problems.push(`${address}: not reachable`);
      const heard = await listen(link, node, options).catch((error: Error) => error);
      if (heard instanceof Error) return problems.push(`${address}: ${heard.message}`);
      scanned += heard.lines;
      partial ||= heard.cut;
      for (const [name, count] of heard.counts) {
        const at = name.indexOf(' ');
        const [database, key] = [Number(name.slice(0, at)), name.slice(at + 1)];
        top.add({ key, database, node: address, figure: count / heard.seconds });
      }
      return undefined;
    }),
  );
  return { by: 'monitor', keys: top.entries, outcome: { scanned, total: scanned, partial, problems } };
}

interface Heard {
  readonly counts: ReadonlyMap<string, number>;
  readonly lines: number;
  readonly seconds: number;
  readonly cut: boolean;
}

function listen(link: ClusterLink, node: NodeAddress, options: MonitorOptions): Promise<Heard> {
  const { durationMs, maxLines = 200_000, signal } = options;
  const { socket, send } = link.dial(node);
  const counts = new Map<string, number>();
  const started = link.world.now();
  let rest = '';
  let [lines, cut] = [0, false];
  return new Promise((resolve, reject) => {
    const end = (error?: Error): void => {
      timer.cancel();
      signal?.removeEventListener('abort', stop);
      socket.destroy();
      if (error !== undefined) reject(error);
      else resolve({ counts, lines, cut, seconds: Math.max(0.001, (link.world.now() - started) / 1000) });
    };
    const stop = (): void => end();
    const timer = link.world.after(durationMs, stop, true);
    signal?.addEventListener('abort', stop);
    send(['MONITOR']);
    socket.on('error', end);
    socket.on('close', () => end(new Error('the node closed the connection')));
    socket.on('data', (chunk: Buffer) => {
      const text = rest + chunk.toString('latin1');
      const found = text.split('\r\n');
      rest = found.pop()!.slice(0, 1_000_000);
      for (const line of found) {
        if (line.startsWith('-')) return end(new Error(line.slice(1)));
        const name = monitoredKey(line);
        if (name === undefined) continue;
        lines++;
        if (counts.has(name) || counts.size < maxKeys) counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      cut = lines >= maxLines;
      if (cut) end();
    });
  });
}

/** Commands whose first argument is no key; what else MONITOR shows is counted by its first argument. */
const keyless = new Set(
  `ping info cluster client config command hello auth select scan replconf psync monitor multi exec discard echo asking
  readonly readwrite script function eval evalsha eval_ro evalsha_ro fcall fcall_ro publish spublish subscribe latency
  slowlog debug memory object wait time role dbsize keys flushall flushdb migrate xread xreadgroup unwatch quit reset acl
  subscribe psubscribe ssubscribe randomkey save bgsave lastsave failover shutdown replicaof`.split(/\s+/),
);

/** `database key` of a line of MONITOR: `+1700000000.123456 [0 127.0.0.1:5000] "get" "key"`; undefined: none. */
export function monitoredKey(line: string): string | undefined {
  const found = /^\+\d+\.\d+ \[(\d+) [^\]]*\] "([^"]*)" ("(?:[^"\\]|\\.)*")/.exec(line);
  if (found === null || keyless.has(found[2]!.toLowerCase())) return undefined;
  return `${found[1]} ${unquoted(found[3]!)}`;
}

const letters: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' };

function unquoted(text: string): string {
  return text.slice(1, -1).replace(/\\(?:x([0-9a-f]{2})|(.))/gi, (_, hex: string | undefined, letter: string) => {
    return hex === undefined ? (letters[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16));
  });
}
