// What a valid configuration of a cluster's node may still get wrong. Pure: values in, findings out.

export interface Pitfall {
  readonly severity: 'error' | 'warning' | 'info';
  readonly directive: string;
  readonly text: string;
}

/** The value of a directive as text, its default where it was not given; '' where the server does not know it. */
export type Values = (name: string) => string;

type Rule = (get: Values, given: (name: string) => boolean) => Pitfall | undefined;

const found = (severity: Pitfall['severity'], directive: string, text: string): Pitfall => ({
  severity,
  directive,
  text,
});

const number = (get: Values, name: string): number => Number(get(name) || 0);
const passwordless = (get: Values, given: (name: string) => boolean): boolean =>
  get('requirepass') === '' && !given('user') && get('aclfile') === '';
const openBind = (get: Values): boolean =>
  /(?:^|\s)-?(?:\*|0\.0\.0\.0|::\*?)(?:\s|$)/.test(get('bind')) || get('bind') === '';
const onlyLoopback = (get: Values): boolean =>
  get('bind') !== '' &&
  get('bind')
    .split(/\s+/)
    .every((one) => /^-?(?:127\.|::1$|localhost$)/.test(one));

const rules: readonly Rule[] = [
  (_get, given) =>
    given('cluster-node-timeout')
      ? undefined
      : found('info', 'cluster-node-timeout', 'is not set: a node is held for failed after 15 s'),
  (get) => {
    const ms = number(get, 'cluster-node-timeout');
    if (ms < 1000)
      return found('warning', 'cluster-node-timeout', `${ms} ms: a pause of a busy node looks like its failure`);
    if (ms > 60_000)
      return found('warning', 'cluster-node-timeout', `${ms} ms: a failed master is replaced after longer than that`);
    return undefined;
  },
  (get) =>
    get('appendonly') === 'no' && get('save') === ''
      ? found(
          'warning',
          'appendonly',
          'nothing is kept: a master that is started anew is empty, and its replicas copy that',
        )
      : undefined,
  (get) =>
    get('appendonly') === 'no' && get('save') !== ''
      ? found('warning', 'appendonly', 'is no: what was written since the last RDB file is lost with the process')
      : undefined,
  (get) =>
    get('appendonly') === 'yes' && get('appendfsync') === 'no'
      ? found('warning', 'appendfsync', 'is no: the system decides when the log reaches the disk, often after 30 s')
      : undefined,
  (get) =>
    number(get, 'maxmemory') === 0
      ? found('warning', 'maxmemory', 'is not set: the node grows until the system ends it')
      : undefined,
  (get, given) =>
    number(get, 'maxmemory') > 0 && !given('maxmemory-policy') && get('maxmemory-policy') === 'noeviction'
      ? found('warning', 'maxmemory-policy', 'is not set: when memory is full, writes are refused (noeviction)')
      : undefined,
  (get, given) =>
    number(get, 'maxmemory') === 0 && given('maxmemory-policy') && get('maxmemory-policy') !== 'noeviction'
      ? found('warning', 'maxmemory-policy', 'has no effect without maxmemory')
      : undefined,
  (get, given) =>
    passwordless(get, given) && openBind(get) && get('protected-mode') === 'no'
      ? found(
          'error',
          'protected-mode',
          'is no, on all addresses and without a password: whoever reaches the port owns the data',
        )
      : undefined,
  (get, given) =>
    passwordless(get, given) && !openBind(get) && !onlyLoopback(get) && get('protected-mode') === 'no'
      ? found('warning', 'protected-mode', 'is no, and there is no password')
      : undefined,
  (get, given) =>
    passwordless(get, given) && openBind(get) && get('protected-mode') === 'yes'
      ? found(
          'warning',
          'protected-mode',
          'is yes without a password: other nodes and clients of other machines are refused',
        )
      : undefined,
  (get) =>
    onlyLoopback(get)
      ? found('warning', 'bind', 'is loopback only: nodes and clients of other machines cannot reach this one')
      : undefined,
  (get) =>
    get('requirepass') !== '' && get('masterauth') === '' && get('primaryauth') === ''
      ? found(
          'error',
          'masterauth',
          'is not set while requirepass is: after a failover this node cannot follow its new master',
        )
      : undefined,
  (get) =>
    get('cluster-require-full-coverage') === 'yes'
      ? found('info', 'cluster-require-full-coverage', 'is yes: one slot without an owner stops the whole cluster')
      : undefined,
  (get) => {
    const port = number(get, 'port');
    return number(get, 'cluster-port') === 0 && port + 10_000 > 65_535
      ? found('error', 'port', `${port}: the cluster bus would be on ${port + 10_000}; set cluster-port`)
      : undefined;
  },
  (_get, given) =>
    given('replicaof') || given('slaveof')
      ? found('error', 'replicaof', 'is not allowed in a cluster: CLUSTER REPLICATE says who follows whom')
      : undefined,
  (_get, given) =>
    given('cluster-announce-port') && !given('cluster-announce-bus-port')
      ? found(
          'warning',
          'cluster-announce-port',
          'without cluster-announce-bus-port: other nodes look for the bus at the wrong port',
        )
      : undefined,
  (_get, given) =>
    (given('cluster-announce-port') || given('cluster-announce-bus-port')) && !given('cluster-announce-ip')
      ? found('warning', 'cluster-announce-ip', 'is not set while announced ports are')
      : undefined,
  (get) =>
    get('cluster-replica-no-failover') === 'yes'
      ? found('warning', 'cluster-replica-no-failover', 'is yes: as a replica this node never takes over')
      : undefined,
  (get) =>
    number(get, 'repl-timeout') > 0 && number(get, 'repl-timeout') <= number(get, 'repl-ping-replica-period')
      ? found(
          'error',
          'repl-timeout',
          'is not longer than repl-ping-replica-period: links are cut while nothing is wrong',
        )
      : undefined,
  (get, given) =>
    given('databases') && number(get, 'databases') > 1 && !given('cluster-databases')
      ? found('info', 'databases', 'has no effect in a cluster, which has database 0 alone')
      : undefined,
  (get) =>
    get('tls-cluster') === 'yes' && (get('tls-cert-file') === '' || get('tls-key-file') === '')
      ? found('error', 'tls-cluster', 'is yes without tls-cert-file and tls-key-file')
      : undefined,
];

/** `given`: whether it was said, and is not a default. A node without cluster mode has one finding. */
export function pitfallsOf(get: Values, given: (name: string) => boolean): Pitfall[] {
  if (get('cluster-enabled') !== 'yes')
    return [
      found('info', 'cluster-enabled', 'is not yes: this node joins no cluster; nothing of clusters was checked'),
    ];
  return rules.flatMap((rule) => rule(get, given) ?? []);
}
