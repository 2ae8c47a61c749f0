// Parameters from REDIS_* variables, below every other source. Pure.

import { splitAddress } from './command-line.ts';
import { ConfError, type Directive } from './conf-text.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const plain: Readonly<Record<string, string>> = {
  REDIS_DB_NUM: 'databases',
  REDIS_RDB_FILENAME: 'dbfilename',
  REDIS_AOF_FILENAME: 'appendfilename',
  REDIS_MAX_CLIENTS: 'maxclients',
  REDIS_SLOWLOG_THRESHOLD: 'slowlog-log-slower-than',
  REDIS_CLUSTER_PORT: 'cluster-port',
};

const levels: Readonly<Record<string, string>> = {
  debug: 'debug',
  verbose: 'verbose',
  info: 'notice',
  notice: 'notice',
  warn: 'warning',
  warning: 'warning',
  error: 'warning',
};

const switches: Readonly<Record<string, 'yes' | 'no'>> = {
  true: 'yes',
  yes: 'yes',
  on: 'yes',
  '1': 'yes',
  false: 'no',
  no: 'no',
  off: 'no',
  '0': 'no',
};

export interface FromEnvironment {
  readonly directives: readonly Directive[];
  /** REDIS_CLUSTER_NODE_ID: the id of a node that has none yet; `''`: a random one. */
  readonly nodeId: string;
}

/** Empty variables count as absent. Throws a ConfError that names the variable. */
export function readEnvironment(env: Environment): FromEnvironment {
  const directives: Directive[] = [];
  const say = (variable: string, name: string, ...values: string[]): void => {
    directives.push({ name, values, ...where(env, variable) });
  };
  for (const [variable, name] of Object.entries(plain)) if (env[variable]) say(variable, name, env[variable]);
  if (env['REDIS_ADDR']) {
    const address = splitAddress(env['REDIS_ADDR']);
    if (address === undefined) throw new ConfError(where(env, 'REDIS_ADDR'), 'it is not host:port');
    if (address.host !== '') say('REDIS_ADDR', 'bind', address.host);
    say('REDIS_ADDR', 'port', address.port);
  }
  if (env['REDIS_LOG_LEVEL']) {
    const level = levels[env['REDIS_LOG_LEVEL'].toLowerCase()];
    if (level === undefined) {
      throw new ConfError(where(env, 'REDIS_LOG_LEVEL'), `it is none of ${Object.keys(levels).join(', ')}`);
    }
    say('REDIS_LOG_LEVEL', 'loglevel', level);
  }
  if (isOn(env, 'REDIS_CLUSTER_ENABLED')) say('REDIS_CLUSTER_ENABLED', 'cluster-enabled', 'yes');
  if (isOn(env, 'REDIS_AOF_ENABLED')) say('REDIS_AOF_ENABLED', 'appendonly', 'yes');
  if (isOn(env, 'REDIS_RDB_ENABLED') === false) say('REDIS_RDB_ENABLED', 'save', '');
  return { directives, nodeId: readNodeId(env) };
}

function readNodeId(env: Environment): string {
  const id = env['REDIS_CLUSTER_NODE_ID'] ?? '';
  if (id === '' || /^[0-9a-f]{40}$/.test(id)) return id;
  throw new ConfError(where(env, 'REDIS_CLUSTER_NODE_ID'), 'it is not 40 hex digits in lower case');
}

function isOn(env: Environment, variable: string): boolean | undefined {
  const text = env[variable];
  if (!text) return undefined;
  const word = switches[text.toLowerCase()];
  if (word === undefined) throw new ConfError(where(env, variable), 'it is neither true nor false');
  return word === 'yes';
}

function where(env: Environment, variable: string): Pick<Directive, 'source' | 'line' | 'text'> {
  return { source: 'the environment', line: 1, text: `${variable}=${env[variable] ?? ''}` };
}
