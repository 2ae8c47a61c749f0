// What a scraper demands of the text that it reads, beside what our writer believes: the grammar of the Prometheus text
// format and of OpenMetrics, as far as gauges and counters go.

const sampleLine =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"(?:,|(?=\})))*)\})? (\S+)$/;

/** One line for each fault; empty when a scraper would take the text. */
export function problemsOf(text: string, format: 'prometheus' | 'openmetrics'): string[] {
  const problems: string[] = [];
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const seen = new Set<string>();
  const closed = new Set<string>();
  let current = '';
  if (!text.endsWith('\n')) problems.push('no newline at the end');
  const lines = text.split('\n').slice(0, -1);
  if (format === 'openmetrics' && lines.pop() !== '# EOF') problems.push('no # EOF at the end');
  for (const line of lines) {
    if (line === '') {
      if (format === 'openmetrics') problems.push('an empty line');
      continue;
    }
    const meta = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (meta !== null) {
      const [, kind, name, rest] = meta as unknown as [string, string, string, string];
      if (kind === 'HELP') {
        if (helped.has(name)) problems.push(`HELP twice: ${name}`);
        helped.add(name);
      } else {
        if (types.has(name)) problems.push(`TYPE twice: ${name}`);
        if (!['gauge', 'counter'].includes(rest)) problems.push(`type ${rest}`);
        if (rest === 'counter' && format === 'prometheus' && !name.endsWith('_total')) problems.push(`counter ${name}`);
        types.set(name, rest);
        closed.add(current);
        current = name;
      }
      continue;
    }
    problems.push(...sampleProblems(line, format, types, helped, seen, closed));
  }
  return problems;
}

function sampleProblems(
  line: string,
  format: string,
  types: ReadonlyMap<string, string>,
  helped: ReadonlySet<string>,
  seen: Set<string>,
  closed: ReadonlySet<string>,
): string[] {
  const found = sampleLine.exec(line);
  if (found === null) return [`no sample: ${line}`];
  const [, name, labels = '', value] = found as unknown as [string, string, string | undefined, string];
  const family = format === 'openmetrics' && !types.has(name) ? name.replace(/_total$/, '') : name;
  const problems: string[] = [];
  if (!types.has(family) || !helped.has(family)) problems.push(`no TYPE or HELP: ${line}`);
  if (closed.has(family)) problems.push(`a family in two pieces: ${family}`);
  if (!/^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|Nan|NaN)$/.test(value)) problems.push(`no number: ${line}`);
  if (types.get(family) === 'counter' && (value.startsWith('-') || !name.endsWith('_total')))
    problems.push(`no counter: ${line}`);
  const names = [...labels.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="/g)].map(([, label]) => label);
  if (new Set(names).size !== names.length) problems.push(`a label twice: ${line}`);
  const series = `${name}{${labels
    .split(/(?<="),/)
    .sort()
    .join()}}`;
  if (seen.has(series)) problems.push(`a series twice: ${series}`);
  seen.add(series);
  return problems;
}
