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
    learn: {
      summary: 'experiments that show how a cluster works',
      load: async () => (await import('./words/learn.ts')).learn,
    },
  },
};

/** All words by name. */
export function allWords(): Map<string, TableRow> {
  return new Map(Object.values(wordTable).flatMap((words) => Object.entries(words)));
}
