// What becomes of a call of a cluster client before it is sent: refused, limited, divided, answered from the near cache,
// held until the client is ready, or given to the router.
// Owns: the near cache, the scripts and fieldsets that calls may need again, the deadlines of calls. Does not know:
// which node a call goes to, nor when the client connects.
// Invariant: every request given to submit() or forward() settles here, is held by the lifecycle, or is the router's.

import type { World } from '../base/world.ts';
import { fanOut, isScriptControl, mayFanOut } from '../batch/fan-out.ts';
import { splitByKeys } from '../batch/multi-key.ts';
import { NearCache } from '../cache/near-cache.ts';
import { LoadedScripts } from '../command/loaded-scripts.ts';
import { Call, CallFlag, type RoutableRequest, wantsOwnConnection } from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import type { ClusterOptions } from '../options/options.ts';
import type { ClusterSubscriber } from '../pubsub/cluster-subscriber.ts';
import { warnOfKeyspaceChannels } from '../pubsub/keyspace-warning.ts';
import { Deadlines, failAsTimedOut } from '../router/deadlines.ts';
import type { NodePool } from '../router/node-pool.ts';
import type { Router } from '../router/router.ts';
import { AbandonedCalls } from './abandoned-calls.ts';
import { limitBlocking } from './blocking-timeout.ts';
import type { ClientBackend } from './client-backend.ts';
import type { SharedCore } from './cluster-client.ts';
import { cacheChannel } from './diagnostics.ts';
import { Fieldsets, isHimportControl, sendToAll } from './fieldsets.ts';
import type { Lifecycle, Status } from './lifecycle.ts';
import { refusalOnShared } from './refusals.ts';
import { sendFromTail } from './stream-tail.ts';

/** Calls that take another way than most. */
const special = CallFlag.blocking | CallFlag.subscribing;

export class ClusterCalls implements ClientBackend {
  readonly oneNode: boolean = false;
  readonly friendlyErrors: boolean;
  readonly dispatcher: Router;
  readonly cache: NearCache | undefined;
  /** What SCRIPT LOAD has loaded. */
  readonly scripts: LoadedScripts = new LoadedScripts();
  readonly #options: ClusterOptions;
  readonly #world: World;
  readonly #lifecycle: Lifecycle;
  readonly #pool: NodePool;
  readonly #subscriber: ClusterSubscriber;
  readonly #core: SharedCore;
  readonly #fieldsets: Fieldsets | undefined;
  readonly #abandoned: AbandonedCalls;
  /** Of commandTimeout. */
  readonly #deadlines: Deadlines | undefined;
  /** Calls with keys of several slots become several. */
  readonly #splits: boolean;
  readonly #forward = (request: RoutableRequest): void => this.forward(request);

  constructor(core: SharedCore) {
    const { options, world, lifecycle, pool, router, subscriber } = core;
    this.#core = core;
    this.#options = options;
    this.#world = world;
    this.#lifecycle = lifecycle;
    this.#pool = pool;
    this.#subscriber = subscriber;
    this.dispatcher = router;
    this.#splits = options.crossSlot === 'split';
    this.friendlyErrors = options.showFriendlyErrorStack ?? options.redisOptions?.showFriendlyErrorStack ?? false;
    if (options.himportFieldsets?.length) this.#fieldsets = new Fieldsets(options.himportFieldsets);
    this.#abandoned = new AbandonedCalls(pool, world);
    this.#deadlines = this.#makeDeadlines();
    this.cache = this.#makeCache();
  }

  get status(): Status {
    return this.#lifecycle.status;
  }

  get database(): number {
    return this.#options.redisOptions?.db ?? 0;
  }

  quit(): Promise<'OK'> {
    return this.#core.quit();
  }

  /** Connections have something else to say before their first call. */
  get preparesNodes(): boolean {
    return this.cache !== undefined || this.#fieldsets !== undefined;
  }

  // Everything is closed by then.
  depart(): void {}

  /** A connection is through its handshake. Replicas too: one may be a master on this very connection some day. */
  nodeReady(connection: ReconnectingConnection): void {
    this.#fieldsets?.prepare(connection).catch((error: Error) => this.#core.onNodeError(error, connection.address));
  }

  /** The client has ended. */
  stop(): void {
    this.#deadlines?.stop();
  }

  // The last two lines are those of forward(): each frame of this path is paid by every call.
  submit(request: RoutableRequest): void {
    request.moment = this.dispatcher.moment;
    if (request instanceof Call && this.#handles(request)) return;
    if (this.#deadlines !== undefined) this.#limit(request, this.#deadlines);
    if (this.#lifecycle.open) this.dispatcher.send(request);
    else this.#lifecycle.submit(request);
  }

  /** The end of the way: what calls become (parts of them, what the near cache asks) is sent, or held until ready. */
  forward(request: RoutableRequest): void {
    if (this.#deadlines !== undefined) this.#limit(request, this.#deadlines);
    if (this.#lifecycle.open) this.dispatcher.send(request);
    else this.#lifecycle.submit(request);
  }

  // The stages, in their order; true: one of them has taken the call.
  #handles(call: Call): boolean {
    if ((call.flags & special) !== 0 && this.#handlesSpecial(call)) return true;
    if (this.#fieldsets !== undefined) this.#fieldsets.attach(call, () => this.#masters());
    if (call.slot < 0) {
      if (this.#handlesKeyless(call)) return true;
    } else if (this.#splits && splitByKeys(call, this.#forwardPart)) return true;
    return this.cache !== undefined && this.#cached(call, this.cache);
  }

  #handlesSpecial(call: Call): boolean {
    if ((call.flags & CallFlag.subscribing) !== 0) {
      this.#subscribe(call);
      return true;
    }
    if (!wantsOwnConnection(call)) return false;
    const { redisOptions = {} } = this.#options;
    limitBlocking(call, redisOptions, this.#world, this.status === 'ready', (late) => this.release(late));
    return sendFromTail(call, this.dispatcher, this.#forward, this.#forwardPart);
  }

  #subscribe(call: Call): void {
    warnOfKeyspaceChannels(call);
    if (this.status === 'ready') this.#subscriber.send(call);
    else this.#lifecycle.whenReady(() => this.#subscriber.send(call), call);
  }

  #handlesKeyless(call: Call): boolean {
    const refusal = this.refusalOf(call);
    if (refusal !== undefined) {
      call.fail(refusal);
      return true;
    }
    if (call.group === null && this.status === 'ready' && isHimportControl(call)) {
      sendToAll(call, this.#masters());
      return true;
    }
    if (!this.#meansAll(call)) return false;
    // Which shards there are is known once the map is.
    if (this.status === 'ready') return fanOut(call, this.dispatcher.map.aSlotOfEach(), this.#forwardPart);
    this.#lifecycle.whenReady(() => {
      if (!fanOut(call, this.dispatcher.map.aSlotOfEach(), this.#forwardPart)) this.#forwardPart(call);
    }, call);
    return true;
  }

  // Scripts and functions are of use only where every master has them, whatever is not said about other commands.
  #meansAll({ argv }: Call): boolean {
    const { fanOut: everywhere } = this.#options;
    if (everywhere === false) return false;
    const control = isScriptControl(argv);
    if (control) this.scripts.note(argv);
    return control || (everywhere === true && mayFanOut(argv));
  }

  readonly #forwardPart = (part: Call): void => {
    if (this.cache === undefined || !this.#cached(part, this.cache)) this.forward(part);
  };

  // Before the client is ready nothing is kept and writes still drop what is.
  #cached(call: Call, cache: NearCache): boolean {
    if (this.status === 'ready') return cache.handle(call);
    cache.watch(call);
    return false;
  }

  #limit(request: RoutableRequest, deadlines: Deadlines): void {
    deadlines.start();
    if ((request.flags & CallFlag.blocking) !== 0) this.mayRelease(request);
  }

  refusalOf(call: Call): Error | undefined {
    return refusalOnShared(call, this.database);
  }

  addressOf({ slot }: Call): string | undefined {
    return slot < 0 ? undefined : this.dispatcher.map.masterOf(slot);
  }

  watch(call: Call, _exec: Call): void {
    this.cache?.watch(call);
  }

  mayRelease(request: RoutableRequest): void {
    if (this.status === 'ready') this.#abandoned.note(request, this.dispatcher.map.masterOf(request.slot));
  }

  release(call: Call): void {
    this.#abandoned.release(call);
  }

  #masters(): ReconnectingConnection[] {
    const nodes = [...this.#pool.all()].filter(({ inMap, role }) => inMap && role === 'master');
    return nodes.map(({ connection }) => connection);
  }

  #visitAll(visit: (request: RoutableRequest) => void): void {
    this.#lifecycle.forEachHeld(visit);
    this.dispatcher.forEachRetry(visit);
    this.#pool.forEachCall(visit);
  }

  #makeCache(): NearCache | undefined {
    const { clientSideCache, scaleReads = 'master', silenceTimeout = 1000 } = this.#options;
    if (clientSideCache === undefined) return undefined;
    return new NearCache(
      clientSideCache,
      {
        dispatcher: this.dispatcher,
        submit: this.#forward,
        map: () => this.dispatcher.map,
        readsFromReplicas: scaleReads !== 'master',
        connection: (address, events) => this.#pool.connection(address, false, events),
        silenceTimeout,
        onDropped: (cause, entries) => {
          if (cacheChannel.hasSubscribers) cacheChannel.publish({ cause, entries });
        },
        onLookup: (outcome, call) => {
          if (cacheChannel.hasSubscribers) cacheChannel.publish({ outcome, command: call.name, slot: call.slot });
        },
      },
      this.#world,
    );
  }

  #makeDeadlines(): Deadlines | undefined {
    const timeout = this.#options.redisOptions?.commandTimeout ?? 0;
    if (timeout <= 0) return undefined;
    return new Deadlines(timeout, this.#world, (visit) => this.#visitAll(visit), {
      expire: (request) => {
        failAsTimedOut(request);
        if ((request.flags & CallFlag.blocking) !== 0) this.#abandoned.release(request);
      },
      swept: () => this.#lifecycle.forgetSettled(),
    });
  }
}
