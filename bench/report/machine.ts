// What a figure is worth depends on where it was taken: machine and versions, for the report.

import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, type as systemType, totalmem } from 'node:os';
import { join } from 'node:path';
import { type ClientName, packageOf } from '../peers/names.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly system: string;
  readonly node: string;
  readonly server: string;
  readonly pinning: string;
  /** Load average of the last minute when the run began: other people's work shows here. */
  readonly load: number;
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** `root` is the package's folder. */
export function describeMachine(
  root: string,
  server: string,
  pinning: string,
  clients: readonly ClientName[],
): Machine {
  const versions: Record<string, string> = {};
  for (const client of clients) {
    if (client === 'floor') continue;
    const name = packageOf[client];
    const folder = name === undefined ? root : join(root, 'node_modules', name);
    versions[client] = (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
  }
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    system: `${systemType()} ${release()}`,
    node: process.version,
    server,
    pinning,
    load: Math.round(loadavg()[0]! * 100) / 100,
    date: new Date().toISOString(),
    versions,
  };
}

export function machineLines(machine: Machine): string[] {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryMiB} MiB, ${machine.system}, node ${machine.node}, ${machine.server}`,
    `${machine.pinning}; load ${machine.load}; ${machine.date}`,
    versions.join(', '),
  ];
}
