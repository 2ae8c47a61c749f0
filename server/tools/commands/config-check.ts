// `lingcache config-check`: a redis.conf before a server reads it, or the parameters of running nodes.

import { existsSync } from 'node:fs';
import { checkConfigFile, checkNodeConfigs } from '../../operator/config-check/config-check.ts';
import type { ConfigFinding } from '../../operator/config-check/finding.ts';
import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';
import { nearest } from '../cli/near.ts';
import type { Output } from '../cli/output.ts';

const paints = { error: 'red', warning: 'yellow', info: 'cyan' } as const;

export const configCheck: Command = defineCommand({
  name: 'config-check',
  arguments: [{ name: 'FILE|ADDRESS', help: 'a redis.conf, or host:port of any node of a running cluster' }],
  options: {},
  details: `Of a file: directives that are unknown, misspelt, out of range or given twice, with their lines, and what goes wrong
in clusters. Of a cluster: parameters that differ between its nodes, and the same pitfalls. Passwords are never shown.
Exit code 1 when there is an error or a warning, 2 when the file or the cluster cannot be read.`,
  connects: true,
  run: async ({ args, out, link }) => {
    const target = args[0]!;
    if (existsSync(target) || /[/\\]|\.conf$/.test(target)) return report(out, readFile(target), []);
    const { findings, problems } = await checkNodeConfigs(await link(target));
    return report(out, findings, problems);
  },
});

function readFile(path: string): ConfigFinding[] {
  try {
    return checkConfigFile(path, nearest);
  } catch (error) {
    throw new ExitError(exitCodes.usage, (error as Error).message);
  }
}

function report(out: Output, findings: readonly ConfigFinding[], problems: readonly string[]): number {
  const bad = findings.filter(({ severity }) => severity !== 'info').length;
  out.answer({ ok: bad === 0 && problems.length === 0, findings, problems });
  for (const { severity, directive, file, line, text } of findings) {
    const where = file === null ? '' : line === null ? `${file}: ` : `${file}:${line}: `;
    out.line(`${out.paint(paints[severity], severity.padEnd(7))}  ${where}${directive} ${text}`);
  }
  for (const problem of problems) out.note(problem);
  if (findings.length === 0) out.line('nothing to say against it');
  return bad > 0 || problems.length > 0 ? exitCodes.failed : exitCodes.ok;
}
