// Copies a cluster to files: one RDB of every master that has slots, and a manifest.
// Owns: the folder until it has its name.
// Does not know: how a master is asked for a copy (copy-stream.ts); changes nothing in the cluster.
// Invariant: the folder appears whole or not at all, and only when the slots had the same owners before and after.

import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { slotOfBinary } from '../../../lib/wire/slot.ts';
import { RdbReader } from '../../persistence/rdb/file-reader.ts';
import { type ClusterLink, isMaster } from '../link/cluster-link.ts';
import { type ClusterSample, clusterSample, type NodeSample } from '../monitor/sample.ts';
import { surveyCluster } from '../monitor/survey.ts';
import { fetchCopy } from './copy-stream.ts';
import { type BackupFile, type Manifest, manifestName } from './manifest.ts';

export interface BackupOptions {
  readonly signal?: AbortSignal | undefined;
  /** Masters that make a copy at the same time. Default 1: one fork of the machine at a time. */
  readonly parallel?: number | undefined;
  /** `node`: its address; null: the master does not say how many bytes will come. */
  onProgress?(node: string, bytes: number, total: number | null): void;
}

/** Writes the folder, which must not be there yet. Rejects with an Error that says why there is no backup. */
export async function backupCluster(link: ClusterLink, folder: string, options: BackupOptions = {}): Promise<Manifest> {
  const target = resolve(folder);
  if (existsSync(target)) throw new Error(`${target} is there already`);
  const before = await sampleNow(link);
  refuseUnsafe(before);
  const work = join(dirname(target), `.${basename(target)}-${randomUUID().slice(0, 8)}`);
  // The folder above it has to be there: a misspelt path is no reason to make one.
  await mkdir(work);
  try {
    const files = await copyAll(link, work, before, options);
    const after = await sampleNow(link);
    refuseUnsafe(after);
    if (ownersText(before) !== ownersText(after))
      throw new Error('slots changed owners meanwhile, so keys may be missing or twice: try again when nothing moves');
    const manifest = manifestOf(before, files, new Date(link.world.wallClock()));
    await writeSynced(join(work, manifestName), `${JSON.stringify(manifest, undefined, 2)}\n`);
    await syncFolder(work);
    await rename(work, target);
    await syncFolder(dirname(target));
    return manifest;
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    throw error;
  }
}

async function sampleNow(link: ClusterLink): Promise<ClusterSample> {
  const { view, answers } = await surveyCluster(link);
  return clusterSample(view, answers, { at: link.world.wallClock(), clock: link.world.now() });
}

/** What would make a backup that is not the cluster's data. */
function refuseUnsafe({ metrics, nodes }: ClusterSample): void {
  if (metrics.openSlots.length > 0)
    throw new Error(
      `slot ${metrics.openSlots[0]!.slot} is ${metrics.openSlots[0]!.state}: wait until nothing moves, or close it`,
    );
  if (metrics.unassignedSlots > 0) throw new Error(`${metrics.unassignedSlots} slots belong to nobody`);
  if (!metrics.agreed) throw new Error('the nodes do not agree on the owners of the slots');
  const silent = nodes.find((node) => node.role === 'master' && node.slots > 0 && node.info.size === 0);
  if (silent !== undefined) throw new Error(`master ${silent.address} does not answer`);
}

function ownersText({ nodes, owners }: ClusterSample): string {
  return Array.from(owners, (index) => nodes[index]?.id ?? '').join();
}

async function copyAll(
  link: ClusterLink,
  work: string,
  sample: ClusterSample,
  options: BackupOptions,
): Promise<BackupFile[]> {
  const view = (await link.view()).filter((line) => isMaster(line) && line.ranges.length > 0);
  const nodes = view.map((line) => sample.nodes.find(({ id }) => id === line.id)).filter((node) => node !== undefined);
  const files: BackupFile[] = [];
  const waiting = nodes.values();
  const run = async (): Promise<void> => {
    for (const node of waiting) {
      const slots = view.find(({ id }) => id === node.id)!.ranges;
      files.push(await copyNode(link, work, node, slots, options));
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, options.parallel ?? 1) }, run));
  return files.sort((one, other) => one.slots[0]![0] - other.slots[0]![0]);
}

async function copyNode(
  link: ClusterLink,
  work: string,
  node: NodeSample,
  slots: BackupFile['slots'],
  { signal, onProgress }: BackupOptions,
): Promise<BackupFile> {
  const file = `${node.id}.rdb`;
  const takenAt = new Date(link.world.wallClock()).toISOString();
  const handle = await open(join(work, file), 'wx', 0o600);
  const hash = createHash('sha256');
  const check = new FileCheck(node.address);
  let bytes = 0;
  try {
    const write = async (chunk: Buffer): Promise<void> => {
      hash.update(chunk);
      check.feed(chunk);
      bytes += chunk.length;
      await handle.writeFile(chunk);
    };
    const progress = (done: number, total: number | null): void => onProgress?.(node.address, done, total);
    const head = await fetchCopy(link, node, write, { signal, onProgress: progress });
    check.end();
    await handle.sync();
    const { version: rdbVersion, functions } = check;
    const databases = Object.fromEntries(check.databases);
    const { id: nodeId, address, server } = node;
    const sha256 = hash.digest('hex');
    return { file, nodeId, address, server, slots, bytes, sha256, rdbVersion, ...head, takenAt, databases, functions };
  } finally {
    await handle.close();
  }
}

/** Reads along what is written: its checksum, and how many keys of which databases are in it. */
class FileCheck {
  readonly databases = new Map<number, number>();
  functions = 0;
  version = 0;
  readonly #address: string;
  readonly #reader: RdbReader;
  #database = 0;

  constructor(address: string) {
    this.#address = address;
    this.#reader = new RdbReader(
      {
        onKey: () => undefined,
        onDatabase: (index) => {
          this.#database = index;
        },
        onFunction: () => {
          this.functions++;
        },
        onRawKey: () => {
          this.databases.set(this.#database, (this.databases.get(this.#database) ?? 0) + 1);
        },
      },
      { databases: 1_000_000 },
    );
  }

  feed(chunk: Buffer): void {
    if (this.version === 0)
      this.version = Number(/^(?:REDIS|VALKEY)(\d+)/.exec(chunk.toString('latin1', 0, 9))?.[1] ?? 0);
    this.#guarded(() => this.#reader.feed(chunk));
  }

  end(): void {
    this.#guarded(() => this.#reader.end());
  }

  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      throw new Error(`the copy of ${this.#address} cannot be checked: ${(error as Error).message}`);
    }
  }
}

function manifestOf(sample: ClusterSample, files: readonly BackupFile[], now: Date): Manifest {
  const keys = files.flatMap(({ databases }) => Object.values(databases)).reduce((sum, count) => sum + count, 0);
  const nodes = sample.nodes.map(({ id, address, role, masterId, configEpoch, server }) => {
    return { id, address, role, masterId, configEpoch, server };
  });
  const { currentEpoch } = sample.metrics;
  return { format: 1, createdAt: now.toISOString(), keys, currentEpoch, nodes, files };
}

async function writeSynced(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** So that the names in it outlive the machine. Windows opens no folders. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}

/** Whether a key belongs to one of these slots. */
export function isIn(slots: BackupFile['slots'], key: string): boolean {
  const slot = slotOfBinary(key);
  return slots.some(([start, end]) => start <= slot && slot <= end);
}
