// Damaged cluster configurations, nodes.conf and its JSON twin: each is refused with an error that says why and stays
// as it is on the disk, or gives a state that prints to what gives the same state.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseNodesFile, printNodesFile } from '../../../server/cluster/nodes-conf.ts';
import { parseNodesJson, printNodesJson } from '../../../server/cluster/nodes-json.ts';
import type { ClusterState } from '../../../server/cluster/state.ts';
import { ClusterFile } from '../../../server/membership/nodes-file.ts';
import { type Chance, type InputReport, newReport, refuse, spoiled, timed, watched } from './kit.ts';
import { world } from './samples.ts';

const id = (at: number): string => at.toString(16).repeat(40).slice(0, 40);

/** nodes.conf files: one that redis-server 7.0 wrote, a node alone, a cluster with all there can be in it. */
const texts: readonly string[] = [
  `eac2dd5e3ad1f4e2ff3f5d6bf7b3a2d3d9b3e111 127.0.0.1:7001@17001 master - 0 1700000000000 2 connected 5461-10922
07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:7000@17000,host-0 myself,master - 0 0 1 connected 0-5460 [5461-<-eac2dd5e3ad1f4e2ff3f5d6bf7b3a2d3d9b3e111]
824fe116063bc5fcf9f4ffd895bc17aee7731ac3 127.0.0.1:7003@17003 slave,fail? 07c37dfeb235213a872192d90877d0cd55635b91 1700000000001 1700000000000 1 disconnected
vars currentEpoch 6 lastVoteEpoch 5
`,
  `${id(0)} :0@0 myself,master - 0 0 0 connected\nvars currentEpoch 0 lastVoteEpoch 0\n`,
  `${id(1)} 10.0.0.1:7001@17001,h.example master - 0 5 2 connected 100-200 300 8192-16382
${id(0)} 10.0.0.0:7000@17000 myself,master - 0 0 1 connected 0-99 201-299 301-8191 [5->-${id(1)}] [8200-<-${id(1)}]
${id(2)} 10.0.0.2:7002@17002 master,fail - 1 2 3 disconnected 16383
${id(3)} 10.0.0.3:7003@17003 slave ${id(0)} 0 5 1 connected
${id(4)} 10.0.0.4:7004@17004 slave,nofailover ${id(2)} 0 5 3 connected
${id(5)} :0@0 slave,noaddr ${id(2)} 0 5 3 disconnected
vars currentEpoch 9 lastVoteEpoch 8
`,
  `${id(3)} 10.0.0.3:7003@17003 myself,slave ${id(0)} 0 5 1 connected
${id(0)} 10.0.0.0:7000@17000 master - 0 5 1 connected 0-16383
vars currentEpoch 9 lastVoteEpoch 8 shard-${id(0)} ${id(7)}
`,
];

interface Form {
  readonly file: string;
  readonly parse: (text: string) => ClusterState;
  readonly print: (state: ClusterState) => string;
}

const forms: readonly Form[] = [
  { file: 'nodes.conf', parse: parseNodesFile, print: printNodesFile },
  {
    file: 'nodes.json',
    parse: (text) => parseNodesJson(text).state,
    print: (state) => printNodesJson(state, { version: 3, savedAt: 1_700_000_000_000 }),
  },
];

export async function fuzzNodes(runs: number, chance: Chance): Promise<InputReport> {
  const report = newReport('nodes', runs);
  const samples = forms.map(({ print }) => texts.map((text) => Buffer.from(print(parseNodesFile(text)), 'latin1')));
  samples[0]!.push(...texts.map((text) => Buffer.from(text)));
  const dir = mkdtempSync(join(tmpdir(), 'lingcache-fuzz-'));
  let onDisk = 0;
  try {
    await watched(report, async () => {
      for (let run = 0; run < runs; run++) {
        const at = chance(3) === 0 ? 1 : 0;
        const form = forms[at]!;
        const bytes = spoiled(samples[at]!, chance);
        const text = bytes.toString('latin1');
        const state = attempt(report, `run ${run}`, text, form);
        // Of the files themselves a part will do: what is refused must still be there as it was.
        if (run % 50 === 0 && ++onDisk > 0) await disk(dir, form, bytes, state);
      }
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  report.notes.push(`${onDisk} of them as files of a node`);
  return report;
}

function attempt(report: InputReport, where: string, text: string, form: Form): ClusterState | undefined {
  let state: ClusterState;
  try {
    state = timed(report, () => form.parse(text));
  } catch (error) {
    const { message } = error as Error;
    try {
      // Of bad JSON the engine's own words are clear enough.
      refuse(report, error instanceof SyntaxError && form.file.endsWith('json') ? 'not JSON' : String(message));
    } catch (accident) {
      throw new Error(`${where}: ${text}`, { cause: accident });
    }
    return undefined;
  }
  report.accepted++;
  const printed = form.print(state);
  const again = form.print(form.parse(printed));
  if (printed !== again) throw new Error(`${where}: ${text}\nprints as ${printed}\nand again as ${again}`);
  return state;
}

async function disk(
  dir: string,
  { file, print }: Form,
  bytes: Buffer,
  expected: ClusterState | undefined,
): Promise<void> {
  const path = join(dir, file);
  writeFileSync(path, bytes);
  const kept = new ClusterFile(dir, 'nodes.conf', world);
  try {
    const state = kept.load();
    const want = bytes.length === 0 || expected === undefined ? undefined : print(expected);
    if (bytes.length > 0 && want === undefined)
      throw new Error(`loaded what cannot be parsed: ${bytes.toString('latin1')}`);
    if (state !== undefined && print(state) !== want) throw new Error(`loaded otherwise: ${bytes.toString('latin1')}`);
  } catch (error) {
    if (expected !== undefined || !/is corrupted: /.test((error as Error).message)) throw error;
  } finally {
    kept.close();
  }
  if (!readFileSync(path).equals(bytes)) throw new Error(`${file} was changed`);
  rmSync(path);
}
