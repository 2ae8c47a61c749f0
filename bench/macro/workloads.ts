// What is measured, as data. A name says it all: shape-width-operation[-size].
//   burst-W   W single commands issued in one tick, awaited together; latency is that of the whole burst
//   loops-W   W loops, each with one command in flight; latency is that of a command
//   batch-W   one pipelined batch of W commands over all slots; latency is that of the batch

type Shape = 'burst' | 'loops' | 'batch';
/** mix: of five commands four are GET and one is SET. */
export type Operation = 'get' | 'set' | 'mix';

export interface Workload {
  readonly name: string;
  readonly shape: Shape;
  readonly width: number;
  readonly operation: Operation;
  /** Bytes of a value. */
  readonly size: number;
}

const sizeNames = new Map([
  [16, ''],
  [1024, '-1k'],
  [65536, '-64k'],
]);

function workload(shape: Shape, width: number, operation: Operation, size = 16): Workload {
  return { name: `${shape}-${width}-${operation}${sizeNames.get(size)}`, shape, width, operation, size };
}

export const workloads: readonly Workload[] = [
  workload('burst', 1000, 'get'),
  workload('burst', 1000, 'set'),
  workload('burst', 100, 'get'),
  workload('burst', 100, 'set'),
  workload('batch', 1000, 'get'),
  workload('batch', 1000, 'set'),
  workload('batch', 100, 'get'),
  workload('batch', 100, 'set'),
  workload('loops', 64, 'get'),
  workload('loops', 64, 'set'),
  workload('loops', 1000, 'get'),
  workload('loops', 1000, 'set'),
  workload('loops', 1, 'get'),
  workload('loops', 1, 'set'),
  workload('loops', 64, 'mix'),
  workload('burst', 1000, 'mix'),
  workload('batch', 1000, 'mix'),
  workload('burst', 1000, 'get', 1024),
  workload('batch', 1000, 'get', 1024),
  workload('loops', 64, 'get', 1024),
  workload('loops', 64, 'set', 1024),
  workload('burst', 100, 'get', 65536),
  workload('batch', 100, 'get', 65536),
  workload('loops', 64, 'get', 65536),
  workload('loops', 64, 'set', 65536),
];

const rare = new Set(['batch-100-set', 'loops-1000-set', 'loops-1-set', 'batch-1000-mix', 'loops-64-set-1k']);

/** Without --workloads: all but those that show nothing new. */
export const defaultWorkloads: readonly Workload[] = workloads.filter((one) => !rare.has(one.name));

/** Operation number `index` of a workload. */
export function operationAt(operation: Operation, index: number): 'get' | 'set' {
  if (operation !== 'mix') return operation;
  return index % 5 === 4 ? 'set' : 'get';
}

const telling = ['burst-1000-get', 'batch-1000-get', 'batch-1000-set', 'loops-64-get', 'loops-1-get', 'loops-64-mix'];

/** The few of a --quick run. */
export const quickWorkloads: readonly Workload[] = workloads.filter((one) => telling.includes(one.name));
