// What MONITOR says, line by line: `1339518083.107412 [0 127.0.0.1:60866] "set" "k" "v"`. Pure.

export interface MonitoredCommand {
  /** Seconds since 1970 with microseconds, as text. */
  readonly time: string;
  /** The command's arguments as the server prints them: quotes as they were, other unprintable bytes as escapes. */
  readonly args: readonly string[];
  /** `host:port`, `unix:path` or `lua`. */
  readonly source: string;
  readonly database: string;
}

const line = /^(\d+\.\d+) \[(\d+) (.*?)\] (".*")$/s;

/** Undefined for what is no line of MONITOR. */
export function parseMonitorLine(text: string): MonitoredCommand | undefined {
  const parts = line.exec(text);
  if (parts === null) return undefined;
  const [, time, database, source, args] = parts as unknown as [string, string, string, string, string];
  return { time, args: argumentsIn(args).map((argument) => argument.replaceAll('\\"', '"')), source, database };
}

// Valkey 8 prints quotes inside an argument as they are: then only those between two arguments can be recognized.
function argumentsIn(text: string): string[] {
  const found = [...text.matchAll(/"((?:[^"\\]|\\.)*)"/gs)];
  if (found.map(([quoted]) => quoted).join(' ') === text) return found.map(([, argument]) => argument!);
  return text.slice(1, -1).split('" "');
}
