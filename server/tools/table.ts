// Every word of the command line: its line in the overview, and where its code is. Loaded only when it is run.

import type { Word } from './cli/word.ts';

export interface TableRow {
  readonly summary: string;
  readonly load: () => Promise<Word>;
}

/** Headings and their words, in the order of the overview. */
export const wordTable: Readonly<Record<string, Readonly<Record<string, TableRow>>>> = {
  'Clusters of this machine': {
    up: { summary: 'start a cluster and keep it until Ctrl-C', load: async () => (await import('./words/up.ts')).up },
    down: { summary: 'stop what up --daemon started', load: async () => (await import('./words/down.ts')).down },
    server: { summary: 'one node as a process', load: async () => (await import('./words/server.ts')).server },
    demo: { summary: 'a tour of the client', load: async () => (await import('./words/demo.ts')).demo },
  },
  'Looking at a cluster': {
    check: { summary: 'what is wrong with a cluster', load: async () => (await import('./words/check.ts')).check },
    info: {
      summary: 'masters, their slots, keys and replicas',
      load: async () => (await import('./words/info.ts')).info,
    },
    slots: { summary: 'who owns which slots', load: async () => (await import('./words/slots.ts')).slots },
  },
  'Changing a cluster': {
    create: {
      summary: 'build a cluster out of empty nodes',
      load: async () => (await import('./words/create.ts')).create,
    },
    fix: { summary: 'mend what check has found', load: async () => (await import('./words/fix.ts')).fix },
    reshard: {
      summary: 'move slots from masters to a master',
      load: async () => (await import('./words/reshard.ts')).reshard,
    },
    rebalance: {
      summary: 'move slots until every master has its share',
      load: async () => (await import('./words/rebalance.ts')).rebalance,
    },
    'add-node': { summary: 'join an empty node', load: async () => (await import('./words/add-node.ts')).addNodeWord },
    'del-node': { summary: 'take a node out', load: async () => (await import('./words/del-node.ts')).delNode },
    forget: {
      summary: 'have all nodes forget one that is gone',
      load: async () => (await import('./words/forget.ts')).forget,
    },
    failover: {
      summary: 'a replica takes the place of its master',
      load: async () => (await import('./words/failover.ts')).failover,
    },
    'rolling-restart': {
      summary: 'restart all nodes, one after the other',
      load: async () => (await import('./words/rolling-restart.ts')).rollingRestart,
    },
    'set-timeout': {
      summary: 'set cluster-node-timeout of all nodes',
      load: async () => (await import('./words/set-timeout.ts')).setTimeoutWord,
    },
    call: { summary: 'run a command at every node', load: async () => (await import('./words/call.ts')).call },
    import: {
      summary: "bring a single server's keys into a cluster",
      load: async () => (await import('./words/import.ts')).importWord,
    },
  },
};

/** All words by name. */
export function allWords(): Map<string, TableRow> {
  return new Map(Object.values(wordTable).flatMap((words) => Object.entries(words)));
}
