// SCAN over a whole cluster. Masters are scanned in turn, and slots are ticked off only when the node that was
// scanned owned them from the start of its scan to the end, by its own word and by the map's. What moved away
// meanwhile is scanned again where it went (those slots only), and so is what a node is just handing over.
//
//   undone slots -> the node that owns most of them -> SCAN until cursor 0, pages filtered to those slots
//                -> same process, same owner, not migrating: done;  else: left undone, or looked up at the importer
//
// Owns: the slots that are not done, and the scan of the node at hand. Does not know: connections, redirects.
// Invariant: a key that exists from start to end is given at least once, through slot moves, failovers and restarts,
// as far as SCAN itself holds on one node. Not covered: a slot that leaves a node and is back before that node's scan ends.

import type { Readable } from 'node:stream';
import { RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { AddressGuard } from '../topology/allow.ts';
import { type NatMap, translate } from '../topology/seeds.ts';
import type { SlotMap } from '../topology/slot-map.ts';
import { type NodeLine, parseNodes } from '../wire/cluster-nodes.ts';
import { LeftOut } from '../wire/left-out.ts';
import { passingCauseOf } from '../wire/passing.ts';
import { ReplyError } from '../wire/reply.ts';
import { slotCount, slotOf } from '../wire/slot.ts';
import { ScanStream, type ScanStreamOptions, scanArguments } from './scan-stream.ts';

/** What a scan needs of its cluster. */
export interface ScanHost {
  readonly world: World;
  readonly natMap: NatMap | undefined;
  readonly guard: AddressGuard | undefined;
  /** Milliseconds without any progress after which the scan fails. */
  readonly deadline: number;
  /** The client was closed: nothing more will come. */
  closed(): boolean;
  map(): SlotMap;
  /** Resolves once the client is ready. */
  ready(): Promise<void>;
  refresh(): Promise<void>;
  /** One command on the master connection of a node; bulk strings as Buffers. */
  ask(key: string, argv: readonly string[]): Promise<unknown>;
  /** Runs `act` at each change of the map until the function it gives back is called. */
  onMap(act: () => void): () => void;
}

interface Work {
  readonly key: string;
  readonly slots: ReadonlySet<number>;
  /** The slots belong to another node yet, which is handing them over to this one. */
  readonly importing: boolean;
}

/** Milliseconds before a node is asked again. */
const retryDelay = 100;
/** Scans in a row that bring nothing before the whole gives up. */
const maxFruitless = 100;

class ClusterScan {
  readonly #host: ScanHost;
  readonly #args: readonly string[];
  readonly #undone = new Set<number>(Array.from({ length: slotCount }, (_, slot) => slot));
  /** Slots under way at the end of their owner's scan, by the node that imports them. */
  readonly #importers = new Map<string, Set<number>>();
  /** Slots that wait for their importer's scan, and who had them. */
  readonly #handedOver = new Map<number, string>();
  #progressAt: number;
  /** Scans of nodes in a row after which no slot was done. */
  #fruitless = 0;

  constructor(host: ScanHost, options: ScanStreamOptions) {
    this.#host = host;
    this.#args = scanArguments(options);
    this.#progressAt = host.world.now();
  }

  async *pages(): AsyncGenerator<Buffer[], void> {
    await this.#host.ready();
    this.#progressAt = this.#host.world.now();
    for (let work = this.#plan(); work !== undefined; work = this.#plan()) {
      yield* this.#scan(work);
    }
  }

  // Handed-over slots first: they have an owner in the map already, whose scan is over. Slots that nobody owns hold no keys.
  #plan(): Work | undefined {
    for (const [key, slots] of this.#importers) {
      this.#importers.delete(key);
      return { key, slots, importing: true };
    }
    const map = this.#host.map();
    const byMaster = new Map<string, Set<number>>();
    for (const slot of this.#undone) {
      const master = map.masterOf(slot);
      if (master === undefined) continue;
      const slots = byMaster.get(master);
      if (slots === undefined) byMaster.set(master, new Set([slot]));
      else slots.add(slot);
    }
    let most: Work | undefined;
    for (const [key, slots] of byMaster) {
      if (most === undefined || slots.size > most.slots.size) most = { key, slots, importing: false };
    }
    return most;
  }

  async *#scan(work: Work): AsyncGenerator<Buffer[], void> {
    const undone = this.#undone.size;
    try {
      const process = await this.#processOf(work);
      const whole = yield* this.#pagesOf(work, process);
      if (whole && (await this.#processOf(work)) === process) await this.#finish(work);
    } catch (error) {
      await this.#recover(error as Error);
    }
    // The map and a node may disagree on who owns what; that passes, or the scan gives up.
    if (this.#undone.size < undone || this.#importers.size > 0) this.#fruitless = 0;
    else if (++this.#fruitless > maxFruitless) throw this.#stalled();
    else await this.#pause();
  }

  // A page that fails is asked for again with the same cursor, as long as the node has a part in the work and still
  // is the process that gave the cursor; false when it is not.
  async *#pagesOf(work: Work, process: string): AsyncGenerator<Buffer[], boolean> {
    let cursor = '0';
    do {
      let reply: readonly [Buffer, Buffer[]];
      try {
        reply = (await this.#ask(work, ['scan', cursor, ...this.#args])) as readonly [Buffer, Buffer[]];
      } catch (error) {
        await this.#recover(error as Error);
        if (!this.#concerned(work) || (await this.#processOf(work)) !== process) return false;
        continue;
      }
      cursor = reply[0].toString();
      this.#progressAt = this.#host.world.now();
      yield reply[1].filter((key) => work.slots.has(slotOf(key)));
    } while (cursor !== '0');
    return true;
  }

  // The node's own word comes first: a slot that it hands over after that still had its keys there all along.
  async #finish(work: Work): Promise<void> {
    const nodes = await this.#nodesSeenBy(work);
    await this.#refresh();
    const map = this.#host.map();
    if (work.importing) {
      this.#settleImported(work, map);
      return;
    }
    const self = nodes?.find((node) => node.flags.includes('myself'));
    const owned = self === undefined ? undefined : slotsOf(self);
    const byId = new Map(nodes?.map((node) => [node.id, node]));
    for (const slot of work.slots) {
      if (map.masterOf(slot) !== work.key || owned?.has(slot) === false) continue;
      const importer = self?.migrating.get(slot);
      if (importer === undefined) this.#undone.delete(slot);
      else this.#handOver(slot, byId.get(importer));
    }
  }

  // What the importer has, it has shown; whoever owns the slot by now was scanned either before or just now.
  #settleImported(work: Work, map: SlotMap): void {
    for (const slot of work.slots) {
      const owner = map.masterOf(slot);
      if (owner === work.key || owner === this.#handedOver.get(slot)) this.#undone.delete(slot);
      this.#handedOver.delete(slot);
    }
  }

  #handOver(slot: number, importer: NodeLine | undefined): void {
    const from = this.#host.map().masterOf(slot)!;
    const [first] = importer?.ranges ?? [];
    const known = first === undefined ? undefined : this.#host.map().masterOf(first[0]);
    const key = known ?? (importer === undefined ? undefined : this.#keyOf(importer));
    if (key === undefined) return;
    this.#handedOver.set(slot, from);
    const slots = this.#importers.get(key);
    if (slots === undefined) this.#importers.set(key, new Set([slot]));
    else slots.add(slot);
  }

  #keyOf(node: NodeLine): string | undefined {
    const { natMap, guard } = this.#host;
    const { key, host, port } = translate(node.host, node.port, natMap);
    return guard === undefined || guard(host, port) ? key : undefined;
  }

  /** The node still owns some of what it is scanned for. */
  #concerned(work: Work): boolean {
    if (work.importing) return true;
    const map = this.#host.map();
    for (const slot of work.slots) if (map.masterOf(slot) === work.key) return true;
    return false;
  }

  // A frozen master answers nothing: its answer is no longer waited for once another node has its slots.
  async #ask(work: Work, argv: readonly string[]): Promise<unknown> {
    let forget: () => void = () => {};
    const gone = new Promise<never>((_, reject) => {
      forget = this.#host.onMap(() => {
        if (!this.#concerned(work)) reject(new RedisError('Node is disconnected', { node: work.key }));
      });
    });
    gone.catch(() => undefined);
    try {
      return await Promise.race([this.#host.ask(work.key, argv), gone]);
    } finally {
      forget();
    }
  }

  /** Names the server process: a cursor means nothing to another one. Empty where INFO is forbidden. */
  async #processOf(work: Work): Promise<string> {
    const info = await this.#ask(work, ['info', 'server']).catch(unlessRefused);
    return /run_id:(\w+)/.exec(String(info))?.[1] ?? '';
  }

  async #nodesSeenBy(work: Work): Promise<NodeLine[] | undefined> {
    const text = await this.#ask(work, ['cluster', 'nodes']).catch(unlessRefused);
    return text === undefined ? undefined : parseNodes(text, new LeftOut());
  }

  async #refresh(): Promise<void> {
    for (;;) {
      try {
        await this.#host.refresh();
        return;
      } catch (error) {
        if (this.#host.closed()) throw error;
        this.#checkDeadline(error as Error);
        await this.#pause();
      }
    }
  }

  // What the server refuses (a bad pattern or type, no permission) it would refuse again; all else may pass.
  async #recover(error: Error): Promise<void> {
    if (isRefusal(error) || (error as { code?: string }).code === stalled || this.#host.closed()) throw error;
    this.#checkDeadline(error);
    await this.#pause();
    await this.#host.refresh().catch(() => undefined);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#host.world.after(retryDelay, resolve, true);
    });
  }

  #checkDeadline(error: Error): void {
    if (this.#host.world.now() - this.#progressAt >= this.#host.deadline) throw this.#stalled(error);
  }

  #stalled(cause?: Error): Error {
    const { node } = (cause ?? {}) as { node?: string };
    return new RedisError('The scan of the cluster makes no progress.', { code: stalled, cause, node });
  }
}

const stalled = 'ERR_SCAN_STALLED';

// A script that runs for too long is over some day.
function isRefusal(error: unknown): boolean {
  return error instanceof ReplyError && error.code !== 'BUSY' && passingCauseOf(error) === undefined;
}

function unlessRefused(error: unknown): undefined {
  if (!isRefusal(error)) throw error;
}

/** The slots that a node says it owns. */
function slotsOf({ flags, ranges }: NodeLine): ReadonlySet<number> {
  const slots = new Set<number>();
  if (!flags.includes('master')) return slots;
  for (const [start, end] of ranges) for (let slot = start; slot <= end; slot++) slots.add(slot);
  return slots;
}

/** The pages of a ClusterScan as a stream. */
export class ClusterScanStream extends ScanStream {
  readonly #pages: AsyncGenerator<Buffer[], void>;
  readonly #text: boolean;

  constructor(cluster: object, host: ScanHost, options: ScanStreamOptions, text: boolean) {
    super({ ...options, redis: cluster, command: text ? 'scan' : 'scanBuffer' });
    this.#pages = new ClusterScan(host, options).pages();
    this.#text = text;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#pages.return().catch(() => undefined);
    callback(error);
  }

  protected override async nextPage(): Promise<readonly unknown[] | undefined> {
    const { done, value } = await this.#pages.next();
    if (done) return undefined;
    return this.#text ? value.map(String) : value;
  }
}

/** The keys of a stream of pages, one by one. */
export async function* keysOf<Key>(stream: Readable): AsyncGenerator<Key, void> {
  for await (const page of stream) yield* page as Key[];
}
