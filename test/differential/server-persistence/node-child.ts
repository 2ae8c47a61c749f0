// A node in a process of its own, to be killed: logs with `always` to the folder given, and prints its port on stdout.

import { startNode } from '../../../server/index.ts';

const [dir = ''] = process.argv.slice(2);
const node = await startNode({ config: { dir, appendonly: 'yes', appendfsync: 'always' } });
process.stdout.write(`${node.port}\n`);
