// One fault of the hang proof in a process of its own (see inChild): a client that never lets go of the event loop is
// found too.

import { acts, hangFaults, underFault } from './run.ts';

const [kind, fault, act] = process.argv.slice(2) as ['Cluster' | 'Redis', string, string | undefined];
const unhandled: string[] = [];
process.on('unhandledRejection', (reason) => void unhandled.push(String(reason)));
const chosen = acts.filter(({ name }) => act === undefined || act === name).map(({ name }) => name);
const cells = await underFault(kind, hangFaults.find(({ name }) => name === fault)!, chosen);
process.send?.({ cells, unhandled }, () => process.exit());
