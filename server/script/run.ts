// One run of a script or function, from the engine's side: may it start, and what may its commands do.
// Owns: the client that the commands of scripts run as.
// Does not know: Lua. The order of the checks is observable and is that of redis-server 7.0.

import { Flag } from '../../lib/command/flags.ts';
import type { CommandRow } from '../../lib/command/table.ts';
import { type Reply, ReplyError, refusals } from '../../lib/wire/reply.ts';
import { slotOfBinary } from '../../lib/wire/slot.ts';
import { aclCheck } from '../engine/acl-check.ts';
import { keysOf } from '../engine/call-traits.ts';
import { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { missingReplicas } from '../engine/gate.ts';
import { type Command, wrongArity } from '../engine/registry.ts';
import { nobody } from '../engine/replay.ts';
import { ScriptFlag } from './shebang.ts';

export interface ScriptRun {
  readonly caller: Client;
  /** As messages name it: the sum of a script, or a function's name. */
  readonly name: string;
  readonly isEval: boolean;
  /** The call that started it. */
  readonly argv: readonly string[];
  readonly keys: readonly string[];
  readonly readOnly: boolean;
  readonly crossSlot: boolean;
  /** Memory was full when it was called, and it has not said that it may run then. */
  readonly outOfMemory: boolean;
  /** Milliseconds of the world. */
  readonly started: number;
  /** A write was made, or tried: it cannot be ended in the middle any more. */
  wrote: boolean;
  /** Of the first key, in a cluster. */
  slot: number | undefined;
}

export interface StartOptions {
  readonly name: string;
  readonly flags: number;
  readonly isEval: boolean;
  readonly argv: readonly string[];
  readonly keys: readonly string[];
  /** EVAL_RO and its kind. */
  readonly readOnly: boolean;
}

const noCluster = new ReplyError("ERR Can not run script on cluster, 'no-cluster' flag is set.");
const stale = new ReplyError(
  "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set on the script.",
);
const masterDown = new ReplyError(refusals.masterDown);
const readOnlyReplica = new ReplyError('READONLY Can not run script with write flag on readonly replica');
const writeInReadOnly = new ReplyError('ERR Can not execute a script with write flag using *_ro command.');

const refused = {
  outOfMemory: new ReplyError("OOM command not allowed when used memory > 'maxmemory'."),
  unknown: new ReplyError('ERR Unknown Redis command called from script'),
  arity: new ReplyError('ERR Wrong number of args calling Redis command from script'),
  noScript: new ReplyError('ERR This Redis command is not allowed from script'),
  stale: new ReplyError('ERR Can not execute the command on a stale replica'),
  readOnly: new ReplyError('ERR Write commands are not allowed from read-only scripts.'),
  replica: new ReplyError(refusals.readOnly),
  downReadsOnly: new ReplyError(
    'ERR Script attempted to execute a write command while the cluster is down and readonly',
  ),
  down: new ReplyError('ERR Script attempted to execute a command while the cluster is down'),
  notLocal: new ReplyError('ERR Script attempted to access a non local key in a cluster node'),
  otherSlot: new ReplyError('ERR Script attempted to access keys that do not hash to the same slot'),
} as const;

const refusedCalls: ReadonlySet<unknown> = new Set(Object.values(refused));

/** Whether the answer to a call of a script says that it did not run. */
export function isRefusedCall(reply: unknown): boolean {
  return refusedCalls.has(reply);
}

const forbidden = {
  command: "can't run this command or subcommand",
  key: "can't access at least one of the keys mentioned in the command arguments",
  channel: "can't publish to the channel mentioned in the command",
} as const;

/** Commands that replicas hear of without being writes. */
const mayReplicate = new Set(['publish', 'spublish', 'eval', 'evalsha', 'fcall', 'script|load', 'pfcount']);

export class ScriptRunner {
  /** The client that the commands of a script run as. */
  readonly client: Client;
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.client = new Client(0, engine.world, engine.databases.stores[0]!, { ...nobody, address: 'lua' }, true, true);
    this.client.denyBlocking = true;
  }

  /** Prepares a run, or says why there is none. */
  begin(caller: Client, options: StartOptions): ScriptRun | ReplyError {
    const refusal = this.#refusal(caller, options);
    if (refusal !== undefined) return refusal;
    const { flags, keys } = options;
    const { client } = this;
    const { memory } = this.#engine;
    client.store = caller.store;
    client.protocol = 2;
    client.primaryLink = caller.primaryLink;
    client.user = caller.user;
    const compatible = (flags & ScriptFlag.compatible) !== 0;
    const declared = keys[0];
    return {
      caller,
      name: options.name,
      isEval: options.isEval,
      argv: options.argv,
      keys,
      readOnly: options.readOnly || (!compatible && (flags & ScriptFlag.noWrites) !== 0),
      crossSlot: compatible || (flags & ScriptFlag.crossSlot) !== 0,
      outOfMemory: memory.limit > 0 && memory.full && (flags & ScriptFlag.allowOom) === 0 && !caller.primaryLink,
      started: this.#engine.world.now(),
      wrote: false,
      slot: declared === undefined ? undefined : slotOfBinary(declared),
    };
  }

  /** redis.call: the reply, an error reply when it is refused. `undefined`: a command that answers nothing. */
  call(run: ScriptRun, argv: readonly string[]): Reply | undefined {
    const engine = this.#engine;
    const command = engine.registry.find(argv);
    if (command instanceof ReplyError) {
      const container = argv.length === 1 && engine.registry.has(argv[0]!.toLowerCase());
      return this.#reject(undefined, container ? refused.arity : refused.unknown);
    }
    const refusal = this.#check(run, command.row, argv);
    if (refusal !== undefined) return this.#reject(command, refusal);
    const reply = engine.run(this.client, command, argv);
    const { caller } = run;
    if (caller.tracking !== undefined && (command.row.flags & Flag.readonly) !== 0) {
      // Those that the caller named: what it keeps is the answer of the script.
      engine.tracking.remember(caller, run.keys);
    }
    return reply;
  }

  #refusal(caller: Client, { flags, readOnly }: StartOptions): ReplyError | undefined {
    const engine = this.#engine;
    if ((flags & ScriptFlag.compatible) !== 0) return engine.primaryDown ? masterDown : undefined;
    if ((flags & ScriptFlag.noCluster) !== 0 && engine.clusterEnabled) return noCluster;
    if (engine.primaryDown && (flags & ScriptFlag.allowStale) === 0) return stale;
    if ((flags & ScriptFlag.noWrites) !== 0) return undefined;
    if (engine.readOnly && !caller.primaryLink) return readOnlyReplica;
    const disk = caller.primaryLink ? undefined : engine.persistence?.refusal();
    if (disk !== undefined) return disk;
    return readOnly ? writeInReadOnly : missingReplicas(engine);
  }

  #check(run: ScriptRun, row: CommandRow, argv: readonly string[]): ReplyError | undefined {
    const engine = this.#engine;
    const { flags } = row;
    if (wrongArity(row, argv)) return refused.arity;
    if ((flags & Flag.noscript) !== 0 && !engine.scriptsMayCallAll) return refused.noScript;
    if (engine.primaryDown && (flags & Flag.stale) === 0) return refused.stale;
    const denial = run.caller.user.limited ? aclCheck(run.caller.user, row, argv) : undefined;
    if (denial !== undefined) {
      engine.access.noteDenial(run.caller, 'lua', denial, row, argv);
      return new ReplyError(`ERR The user executing the script ${forbidden[denial.reason]}`);
    }
    const writes = (flags & Flag.write) !== 0;
    if (run.readOnly && (writes || mayReplicate.has(row.name))) return refused.readOnly;
    if (writes) {
      const refusal = run.wrote ? undefined : this.#writeRefusal(run);
      if (refusal !== undefined) return refusal;
      // What has begun to write is not stopped half way.
      if (run.outOfMemory && !run.wrote && (flags & Flag.denyoom) !== 0) return refused.outOfMemory;
      run.wrote = true;
    }
    return engine.cluster === undefined || run.caller.primaryLink ? undefined : this.#route(run, row, argv, writes);
  }

  /** Once something was written the rest is written too, whatever happens meanwhile. */
  #writeRefusal(run: ScriptRun): ReplyError | undefined {
    const engine = this.#engine;
    if (run.caller.primaryLink) return undefined;
    if (engine.readOnly) return refused.replica;
    return engine.persistence?.refusal() ?? missingReplicas(engine);
  }

  #route(run: ScriptRun, row: CommandRow, argv: readonly string[], write: boolean): ReplyError | undefined {
    const keys = keysOf(row, argv);
    if (keys.length === 0) return undefined;
    const { caller } = run;
    const refusal = this.#engine.cluster?.guard({
      keys,
      write,
      shardChannel: row.name === 'spublish',
      migrate: row.name === 'migrate',
      asking: caller.asking || (row.flags & Flag.asking) !== 0,
      readonly: caller.readonly,
      plain: caller.plain,
    });
    if (refusal !== undefined) {
      if (refusal.message === refusals.clusterDownReadsOnly) return refused.downReadsOnly;
      return refusal.message === refusals.clusterDown ? refused.down : refused.notLocal;
    }
    if (run.crossSlot) return undefined;
    const slot = slotOfBinary(keys[0]!);
    run.slot ??= slot;
    return run.slot === slot ? undefined : refused.otherSlot;
  }

  #reject(command: Command<Client> | undefined, refusal: ReplyError): ReplyError {
    if (command !== undefined) command.rejected++;
    this.#engine.stats.rejected++;
    this.#engine.countError(refusal);
    return refusal;
  }
}
