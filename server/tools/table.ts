// Every command of the command line: its line in the overview, and where its code is. Loaded only when it is run.

import type { Command } from './cli/command.ts';

export interface TableRow {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** Headings and their commands, in the order of the overview. */
export const commandTable: Readonly<Record<string, Readonly<Record<string, TableRow>>>> = {
  'Clusters of this machine': {
    up: {
      summary: 'start a cluster and keep it until Ctrl-C',
      load: async () => (await import('./commands/up.ts')).up,
    },
    down: { summary: 'stop what up --daemon started', load: async () => (await import('./commands/down.ts')).down },
    server: { summary: 'one node as a process', load: async () => (await import('./commands/server.ts')).server },
    demo: { summary: 'a tour of the client', load: async () => (await import('./commands/demo.ts')).demo },
    learn: {
      summary: 'experiments that show how a cluster works',
      load: async () => (await import('./commands/learn.ts')).learn,
    },
  },
  'Copies of a cluster': {
    backup: {
      summary: 'the data of all masters into files',
      load: async () => (await import('./commands/backup.ts')).backup,
    },
    restore: { summary: 'a backup into a cluster', load: async () => (await import('./commands/restore.ts')).restore },
  },
  'Seeing a cluster': {
    map: { summary: 'the 16,384 slots as a picture', load: async () => (await import('./commands/map.ts')).map },
    stat: { summary: 'figures of every node', load: async () => (await import('./commands/stat.ts')).stat },
    top: { summary: 'nodes and commands by rate, live', load: async () => (await import('./commands/top.ts')).top },
    hot: { summary: 'the busiest slots and keys', load: async () => (await import('./commands/hot.ts')).hot },
    big: { summary: 'the biggest keys by type', load: async () => (await import('./commands/big.ts')).big },
    latency: {
      summary: 'how long nodes take to answer',
      load: async () => (await import('./commands/latency.ts')).latency,
    },
    watch: {
      summary: 'what happens: failovers, moves, failures',
      load: async () => (await import('./commands/watch.ts')).watch,
    },
    dashboard: {
      summary: 'a live page in the browser',
      load: async () => (await import('./commands/dashboard.ts')).dashboard,
    },
    'config-check': {
      summary: 'what is wrong in a redis.conf, or differs between nodes',
      load: async () => (await import('./commands/config-check.ts')).configCheck,
    },
    metrics: {
      summary: 'an endpoint for Prometheus',
      load: async () => (await import('./commands/metrics.ts')).metrics,
    },
  },
  'Looking at a cluster': {
    check: { summary: 'what is wrong with a cluster', load: async () => (await import('./commands/check.ts')).check },
    info: {
      summary: 'masters, their slots, keys and replicas',
      load: async () => (await import('./commands/info.ts')).info,
    },
    slots: { summary: 'who owns which slots', load: async () => (await import('./commands/slots.ts')).slots },
  },
  'Changing a cluster': {
    create: {
      summary: 'build a cluster out of empty nodes',
      load: async () => (await import('./commands/create.ts')).create,
    },
    fix: { summary: 'mend what check has found', load: async () => (await import('./commands/fix.ts')).fix },
    reshard: {
      summary: 'move slots from masters to a master',
      load: async () => (await import('./commands/reshard.ts')).reshard,
    },
    rebalance: {
      summary: 'move slots until every master has its share',
      load: async () => (await import('./commands/rebalance.ts')).rebalance,
    },
    'add-node': {
      summary: 'join an empty node',
      load: async () => (await import('./commands/add-node.ts')).addNodeCommand,
    },
    'del-node': { summary: 'take a node out', load: async () => (await import('./commands/del-node.ts')).delNode },
    forget: {
      summary: 'have all nodes forget one that is gone',
      load: async () => (await import('./commands/forget.ts')).forget,
    },
    failover: {
      summary: 'a replica takes the place of its master',
      load: async () => (await import('./commands/failover.ts')).failover,
    },
    'rolling-restart': {
      summary: 'restart all nodes, one after the other',
      load: async () => (await import('./commands/rolling-restart.ts')).rollingRestart,
    },
    'set-timeout': {
      summary: 'set cluster-node-timeout of all nodes',
      load: async () => (await import('./commands/set-timeout.ts')).setTimeoutCommand,
    },
    call: { summary: 'run a command at every node', load: async () => (await import('./commands/call.ts')).call },
    import: {
      summary: "bring a single server's keys into a cluster",
      load: async () => (await import('./commands/import.ts')).importCommand,
    },
  },
};

/** All commands by name. */
export function allCommands(): Map<string, TableRow> {
  return new Map(Object.values(commandTable).flatMap((commands) => Object.entries(commands)));
}
