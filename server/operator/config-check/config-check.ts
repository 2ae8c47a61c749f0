// Judges a redis.conf before a server reads it, and the parameters of running nodes beside each other.
// Owns: nothing.
// Does not know: how a directive is read (server/config has the table and the rules); changes nothing.
// Invariant: all faults of a file are found, not the first alone; no password and no user is ever shown.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { ConfError, type Directive, parseConf } from '../../config/conf-text.ts';
import { Config, isRepeated } from '../../config/config.ts';
import { gatherSettings } from '../../config/load.ts';
import { type ClusterLink, isReachable } from '../link/cluster-link.ts';
import { type ConfigFinding, sorted } from './finding.ts';
import { knownSince, newerNames } from './newer-names.ts';
import { pitfallsOf } from './pitfalls.ts';

const maxDepth = 16;
const maxFiles = 1000;
/** Given any number of times. */
const manyTimes = new Set(['save', 'include', 'client-output-buffer-limit', 'loadmodule', 'user', 'rename-command']);
const withoutParameter = new Set(['loadmodule', 'sentinel']);

/** Throws an Error when the file cannot be read. `nearest`: of names, for misspelt ones. */
export function checkConfigFile(
  path: string,
  nearest: (name: string, names: Iterable<string>) => string | undefined,
): ConfigFinding[] {
  const findings: ConfigFinding[] = [];
  const directives = readAll(path, findings);
  const config = new Config();
  for (const directive of directives) findings.push(...judge(directive, config, nearest));
  findings.push(...repeats(directives));
  const last = new Map(directives.map((directive) => [nameOf(config, directive.name), directive]));
  const given = (name: string): boolean => last.has(nameOf(config, name));
  const get = valuesOf(directives, config, last);
  for (const { severity, directive, text } of pitfallsOf(get, given)) {
    const at = last.get(directive);
    findings.push({ severity, directive, file: at?.source ?? path, line: at?.line ?? null, nodes: [], text });
  }
  return sorted(findings);
}

function nameOf(config: Config, name: string): string {
  return config.nameOf(name);
}

function finding(severity: ConfigFinding['severity'], { name, source, line }: Directive, text: string): ConfigFinding {
  return { severity, directive: name, file: source, line, nodes: [], text };
}

/** Line by line, so that one that cannot be read does not hide the others; with what files include. */
function readAll(path: string, findings: ConfigFinding[]): Directive[] {
  let files = 0;
  const read = (file: string, depth: number): Directive[] => {
    if (depth > maxDepth || ++files > maxFiles) throw new Error('too many files are included');
    return readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((text, at) => readLine(text, file, at + 1, findings))
      .flatMap((directive) => {
        if (directive.name !== 'include') return [directive];
        try {
          return filesOf(directive).flatMap((included) => read(included, depth + 1));
        } catch (error) {
          findings.push(finding('error', directive, (error as Error).message));
          return [];
        }
      });
  };
  return read(path, 0);
}

function readLine(text: string, source: string, line: number, findings: ConfigFinding[]): Directive[] {
  try {
    return parseConf(text, source).map((directive) => ({ ...directive, line }));
  } catch (error) {
    const name = text.trim().split(/\s/)[0]!;
    findings.push({
      severity: 'error',
      directive: name,
      file: source,
      line,
      nodes: [],
      text: (error as Error).message,
    });
    return [];
  }
}

/** A name, or a pattern in the last part of a path. */
function filesOf({ values }: Directive): string[] {
  if (values.length !== 1) throw new Error('include wants one path');
  const path = values[0]!;
  if (existsSync(path)) return [path];
  const slash = path.lastIndexOf('/');
  const [folder, pattern] = [slash < 0 ? '.' : path.slice(0, slash) || '/', path.slice(slash + 1)];
  if (!/[*?]/.test(pattern)) throw new Error(`there is no file ${path}`);
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const matching = readdirSync(folder).filter((name) => new RegExp(`^${expression}$`).test(name));
  return matching.sort().map((name) => `${folder}/${name}`);
}

function judge(
  directive: Directive,
  config: Config,
  nearest: (name: string, names: Iterable<string>) => string | undefined,
): ConfigFinding[] {
  const { name } = directive;
  if (withoutParameter.has(name)) return [];
  if (!config.knows(name) && !isRepeated(name)) {
    const server = knownSince(name);
    if (server !== undefined) return [finding('info', directive, `is known to ${server} and later, not to Redis 7.0`)];
    const refused = refusalOf(directive);
    if (refused === undefined) return [finding('info', directive, 'has no meaning any more')];
    const near = nearest(name, [...config.names(), ...newerNames]);
    return [finding('error', directive, `is unknown${near === undefined ? '' : `; did you mean ${near}?`}`)];
  }
  const refused = refusalOf(directive);
  if (refused !== undefined) return [finding('error', directive, refused)];
  if (
    name === 'rename-command' &&
    /^(?:cluster|psync|replconf|config|info|migrate|restore|asking)$/i.test(directive.values[0]!)
  )
    return [finding('warning', directive, `${directive.values[0]} renamed: tools and other nodes call it by its name`)];
  return [];
}

/** Why a server would not take this line; the rules are those that the bundled server starts by. */
function refusalOf(directive: Directive): string | undefined {
  const nothing = { read: () => '', list: () => [], environment: [], stdin: '' };
  try {
    gatherSettings({ ...nothing, commandLine: { file: undefined, stdin: false, options: [directive] } }, {});
    return undefined;
  } catch (error) {
    if (error instanceof ConfError || error instanceof RangeError) return error.message;
    throw error;
  }
}

function repeats(directives: readonly Directive[]): ConfigFinding[] {
  const seen = new Map<string, Directive>();
  const findings: ConfigFinding[] = [];
  for (const directive of directives) {
    const before = seen.get(directive.name);
    if (before !== undefined && !manyTimes.has(directive.name))
      findings.push(finding('warning', directive, `was given in line ${before.line} already: this one wins`));
    seen.set(directive.name, directive);
  }
  return findings;
}

/** Values as a server would have them that started with this file; lines that it would refuse left out. */
function valuesOf(
  directives: readonly Directive[],
  defaults: Config,
  last: ReadonlyMap<string, Directive>,
): (name: string) => string {
  const sound = directives.filter(({ name }) => defaults.knows(name)).filter((one) => refusalOf(one) === undefined);
  const nothing = { read: () => '', list: () => [], environment: [], stdin: '' };
  const commandLine = { file: undefined, stdin: false, options: sound };
  // What a real server starts with, where the bundled one differs.
  const { config } = gatherSettings({ ...nothing, commandLine }, { save: '3600 1 300 100 60 10000', bind: '* -::*' });
  return (name) => (defaults.knows(name) ? config.get(name) : (last.get(name)?.values.join(' ') ?? ''));
}

/** Parameters that are a node's own: they differ in every cluster. */
const ownOfNode =
  /^(?:port|tls-port|bind|bind-source-addr|cluster-port|dir|dbfilename|appendfilename|appenddirname|pidfile|logfile|unixsocket|cluster-config-file|cluster-announce-.*|replica-announce-.*|slaveof|replicaof|proc-title-template|syslog-ident|aclfile|hash-seed|availability-zone|oom-score-adj.*|.*cpulist)$/;
const secret = /(?:pass|auth|user|key-file-pass)/;
/** Of these a difference changes what the cluster does. */
const weighty =
  /^(?:maxmemory.*|cluster-(?!announce).*|appendonly|appendfsync|save|requirepass|masterauth|masteruser|primaryauth|primaryuser|repl-.*|min-replicas.*|tls-.*|protected-mode|maxclients|timeout|databases|notify-keyspace-events|enable-.*)$/;

export interface NodesCheck {
  readonly findings: readonly ConfigFinding[];
  readonly nodes: number;
  /** Addresses that could not be asked, with the reason. */
  readonly problems: readonly string[];
}

export async function checkNodeConfigs(link: ClusterLink): Promise<NodesCheck> {
  const problems: string[] = [];
  const configs = new Map<string, ReadonlyMap<string, string>>();
  for (const line of await link.view()) {
    const address = `${line.host}:${line.port}`;
    try {
      if (!isReachable(line)) throw new Error('not reachable');
      configs.set(address, pairs(await link.ask(line, ['CONFIG', 'GET', '*'])));
    } catch (error) {
      problems.push(`${address}: ${(error as Error).message}`);
    }
  }
  return { findings: sorted([...differences(configs), ...sharedPitfalls(configs)]), nodes: configs.size, problems };
}

function pairs(reply: unknown): Map<string, string> {
  const found = new Map<string, string>();
  const list = Array.isArray(reply) ? (reply as unknown[]) : [];
  for (let at = 0; at + 1 < list.length; at += 2) found.set(String(list[at]), String(list[at + 1]));
  return found;
}

/** By parameter: who has which value. What only some servers know is no difference. */
export function differences(configs: ReadonlyMap<string, ReadonlyMap<string, string>>): ConfigFinding[] {
  const names = new Set([...configs.values()].flatMap((config) => [...config.keys()]));
  return [...names].sort().flatMap((name): ConfigFinding[] => {
    if (ownOfNode.test(name)) return [];
    const groups = new Map<string, string[]>();
    for (const [address, config] of configs) {
      const value = config.get(name);
      if (value !== undefined) groups.set(value, [...(groups.get(value) ?? []), address]);
    }
    if (groups.size < 2) return [];
    const parts = [...groups]
      .sort(([, one], [, other]) => other.length - one.length)
      .map(([value, nodes], at) => `${secret.test(name) ? `value ${at + 1}` : `'${value}'`} at ${listed(nodes)}`);
    const nodes = [...groups.values()].flat();
    const severity = weighty.test(name) ? 'warning' : 'info';
    return [{ severity, directive: name, file: null, line: null, nodes, text: `differs: ${parts.join(', ')}` }];
  });
}

function listed(nodes: readonly string[]): string {
  return nodes.length > 4 ? `${nodes.slice(0, 3).join(' ')} and ${nodes.length - 3} more` : nodes.join(' ');
}

/** One finding for all the nodes that have it. A running node has values alone: which were given, it does not say. */
function sharedPitfalls(configs: ReadonlyMap<string, ReadonlyMap<string, string>>): ConfigFinding[] {
  const found = new Map<string, ConfigFinding>();
  for (const [address, config] of configs) {
    const given = (name: string): boolean => (config.get(name) ?? '') !== '' && name === 'cluster-node-timeout';
    for (const pitfall of pitfallsOf((name) => config.get(name) ?? '', given)) {
      const key = `${pitfall.directive} ${pitfall.text}`;
      const nodes = [...(found.get(key)?.nodes ?? []), address];
      found.set(key, { ...pitfall, file: null, line: null, nodes });
    }
  }
  return [...found.values()];
}
