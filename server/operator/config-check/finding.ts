// One finding about a configuration.

export interface ConfigFinding {
  /** `error`: the server will not start or the cluster will not work; `warning`: it will, until it matters. */
  readonly severity: 'error' | 'warning' | 'info';
  readonly directive: string;
  /** File and line, from 1; null: what is not there, or of running nodes. */
  readonly file: string | null;
  readonly line: number | null;
  /** Addresses, of running nodes. */
  readonly nodes: readonly string[];
  readonly text: string;
}

const order = { error: 0, warning: 1, info: 2 };

/** Worst first, then by line. */
export function sorted(findings: readonly ConfigFinding[]): ConfigFinding[] {
  return findings.toSorted(
    (one, other) => order[one.severity] - order[other.severity] || (one.line ?? 0) - (other.line ?? 0),
  );
}
