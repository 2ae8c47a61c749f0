// One connection of a replica to its master, from the first byte to the last: introduces itself, asks to go on from
// where its history ends, takes a copy when it may not, then applies the stream and acknowledges it.
// Knows the order of the dialogue; loading and applying are its target's. Invariant: the history moves on only by what
// was applied; whatever goes wrong ends the link, for its owner to dial again.

import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { progress, type World } from '../../lib/base/world.ts';
import { printCommand } from '../persistence/aof/commands.ts';
import type { RdbSink } from '../persistence/rdb/file.ts';
import type { History } from './history.ts';
import { CopyReader } from './rdb-transfer.ts';
import type { StreamAddress, Words } from './stream.ts';
import { type StreamConsumer, StreamReader } from './stream-reader.ts';

/** A copy of all data that is being made beside the data there is. */
export interface Loading {
  readonly sink: RdbSink;
  /** Bytes to take at a time; undefined: all that there are. */
  pieceBytes?(): number | undefined;
  /** Milliseconds to wait before more is taken, for what came of the last piece. */
  delayMs?(): number;
  /** Puts it in the place of the data. */
  finish(): void;
  /** Gives it up. */
  abort(): void;
}

/** How a replica introduces itself. */
export interface Introduction {
  readonly user: string;
  /** '': the master asks for none. */
  readonly password: string;
  readonly port: number;
  /** '': the master is to see where the link comes from. */
  readonly host: string;
  /** The address that the link is to come from; '', the default: any. */
  readonly from?: string;
}

/** What a link works on: the data of this node, and what it says of itself. */
export interface StreamTarget extends StreamConsumer {
  readonly world: World;
  readonly history: History;
  readonly databases: number;
  /** Seconds of silence, in ms, until the link is given up. */
  readonly timeoutMs: number;
  introduction(): Introduction;
  /** What node:tls needs to dial; undefined: the link is without TLS. */
  tls(): ConnectionOptions | undefined;
  /** False: a copy is not taken, nor put in the place of the data, until goOn(). */
  mayLoad(): boolean;
  /** `id`: the history that the copy is of. */
  load(id: string): Loading;
  /** The history goes on under another name, or was replaced: the replicas of this node are let go. */
  onRenamed(): void;
  /** The node on the other side is to take over from this one. */
  readonly failingOver: boolean;
  onFailoverAnswer(takesOver: boolean): void;
}

/** Who opened the link. */
export interface LinkOwner {
  onStage(stage: LinkStage): void;
  onClosed(reason: string): void;
}

/** As ROLE shows it. */
export type LinkStage = 'connecting' | 'handshake' | 'sync' | 'connected';

const maxLineLength = 64 * 1024;
/** Bytes of the stream that are kept while they may not be applied; more waits in the socket. */
const maxHeld = 16 * 1024 * 1024;
/** Why a silent link is given up, by how far it came. */
const silence: Readonly<Record<LinkStage, string>> = {
  connecting: 'Timeout connecting to the MASTER...',
  handshake: 'Timeout connecting to the MASTER...',
  sync: "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in redis.conf to a larger value.",
  connected: 'MASTER timeout: no data nor PING received...',
};
/** Errors to PING that only say that the master wants a password first. */
const tolerated = /^-(?:NOAUTH|NOPERM|ERR operation not permitted)/;

export class MasterLink {
  readonly address: StreamAddress;
  stage: LinkStage = 'connecting';
  /** When the master last sent anything. */
  heardAt: number;
  readonly #target: StreamTarget;
  readonly #owner: LinkOwner;
  readonly #socket: Socket;
  readonly #answers: ((line: string) => void)[] = [];
  readonly #stream: StreamReader;
  #line = '';
  #copy: { readonly id: string; readonly offset: number; reader?: CopyReader; loading?: Loading } | undefined;
  #closed = false;
  /** What waits while the loading of a copy is slowed down or held up; undefined: it is not. */
  #held: Buffer | undefined;
  /** It is held up until goOn(). */
  #heldUp = false;
  /** As much of the stream is kept as may be: nothing is read until goOn(). */
  #full = false;

  constructor(address: StreamAddress, target: StreamTarget, owner: LinkOwner) {
    this.address = address;
    this.#target = target;
    this.#owner = owner;
    this.heardAt = target.world.now();
    this.#stream = new StreamReader(target, () => this.acknowledge());
    this.#log(`Connecting to MASTER ${address.host}:${address.port}`);
    this.#log('MASTER <-> REPLICA sync started');
    const tls = target.tls();
    const { from = '' } = target.introduction();
    const place = {
      host: address.host,
      port: address.port,
      noDelay: true,
      ...(from !== '' && { localAddress: from }),
    };
    this.#socket = tls === undefined ? connect(place) : connectTls({ ...place, ...tls });
    target.world.onSocket?.(this.#socket);
    this.#socket.on(tls === undefined ? 'connect' : 'secureConnect', () => this.#onConnect());
    this.#socket.on('data', (chunk) => this.#onData(chunk));
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#socket.on('close', () => {
      // A master that cannot put what it holds into the version that this node reads gives up so; its log says why.
      const early = this.#copy !== undefined;
      this.#fail(early ? 'the master ended the link before its copy was whole' : 'the master closed the connection');
    });
  }

  /** What is known of the copy that is on its way; undefined when there is none. */
  get copy(): { readonly length: number; readonly taken: number } | undefined {
    if (this.#copy === undefined) return undefined;
    const { length, taken } = this.#copy.reader ?? { length: -1, taken: 0 };
    return { length, taken };
  }

  /** REPLCONF ACK: sends the master the offset of this node. */
  acknowledge(): void {
    if (this.stage === 'connected') this.#send(['REPLCONF', 'ACK', String(this.#target.history.offset)]);
  }

  /** Once a second: a keepalive, or the end of a link that was silent for too long. */
  tick(): void {
    // Who does not read hears nothing.
    if (this.#full || this.#held !== undefined) this.heardAt = this.#target.world.now();
    if (this.#target.world.now() - this.heardAt > this.#target.timeoutMs) this.#fail(silence[this.stage]);
    else if (this.#copy?.reader !== undefined) this.#socket.write('\n');
    else this.acknowledge();
  }

  /** Bytes of the stream that were read and not applied. */
  get pending(): number {
    return this.#stream.pending;
  }

  /** Takes and applies what was kept back by a pause or a script. */
  goOn(): void {
    if (this.#closed) return;
    if (this.#heldUp) this.#release();
    else if (this.stage === 'connected') this.#guarded(() => this.#feed());
  }

  /** Where the link comes from and goes to, as `host:port`; empty ends before it stands. */
  get ends(): { readonly local: string; readonly remote: string } {
    const { localAddress, localPort } = this.#socket;
    const { host, port } = this.address;
    return { local: localAddress === undefined ? '' : `${localAddress}:${localPort}`, remote: `${host}:${port}` };
  }

  /** Ends it as if it had been lost. */
  drop(): void {
    this.#fail('the link was closed by hand');
  }

  close(): void {
    this.#closed = true;
    if (this.#copy?.reader !== undefined) this.#logCut(this.#copy.reader.taken);
    this.#copy?.loading?.abort();
    this.#copy = undefined;
    this.#socket.destroy();
  }

  #logCut(taken: number): void {
    this.#log(
      `Internal error in RDB reading offset ${taken}: Unexpected EOF reading RDB file. Failure loading rdb format from socket, assuming connection error, resuming operation.`,
    );
  }

  #log(line: string): void {
    progress(this.#target.world, line);
  }

  #send(words: Words): void {
    this.#socket.write(printCommand(words), 'latin1');
  }

  #fail(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.#owner.onClosed(reason);
  }

  #setStage(stage: LinkStage): void {
    this.stage = stage;
    this.#owner.onStage(stage);
  }

  // ---- the dialogue

  #onConnect(): void {
    this.#log('Non blocking connect for SYNC fired the event.');
    this.#setStage('handshake');
    this.#ask(['PING'], (line) => {
      if (line.startsWith('-') && !tolerated.test(line)) this.#fail(`the master answers PING with '${line}'`);
      else {
        this.#log('Master replied to PING, replication can continue...');
        this.#introduce();
      }
    });
  }

  #introduce(): void {
    const { user, password, port, host } = this.#target.introduction();
    if (password !== '') {
      this.#ask(user === '' ? ['AUTH', password] : ['AUTH', user, password], (line) => {
        if (line.startsWith('-')) this.#fail(`Unable to AUTH to MASTER: ${line}`);
      });
    }
    const ignore = (): void => undefined;
    this.#ask(['REPLCONF', 'listening-port', String(port)], ignore);
    if (host !== '') this.#ask(['REPLCONF', 'ip-address', host], ignore);
    this.#ask(['REPLCONF', 'capa', 'eof', 'capa', 'psync2'], () => this.#askForStream());
  }

  #askForStream(): void {
    const { history } = this.#target;
    this.#log(
      history.kept
        ? `Trying a partial resynchronization (request ${history.id}:${history.offset + 1}).`
        : 'Partial resynchronization not possible (no cached master)',
    );
    const words = history.kept ? [history.id, String(history.offset + 1)] : ['?', '-1'];
    const more = this.#target.failingOver ? ['FAILOVER'] : [];
    this.#ask(['PSYNC', ...words, ...more], (line) => this.#onStream(line));
  }

  #onStream(line: string): void {
    this.#target.onFailoverAnswer(line.startsWith('+'));
    if (this.#closed) return;
    const full = /^\+FULLRESYNC ([!-~]{40}) (\d{1,16})$/.exec(line);
    if (full !== null) {
      this.#copy = { id: full[1]!, offset: Number(full[2]) };
      this.#log(`Full resync from master: ${full[1]}:${full[2]}`);
      this.#setStage('sync');
      return;
    }
    const partial = /^\+CONTINUE(?: ([!-~]{40}))?$/.exec(line);
    if (partial === null) {
      this.#fail(`the master answers PSYNC with '${line}'`);
      return;
    }
    const [, id] = partial;
    this.#log('Successful partial resynchronization with master.');
    if (id !== undefined && this.#target.history.follow(id)) this.#target.onRenamed();
    this.#setStage('connected');
  }

  #ask(words: Words, onAnswer: (line: string) => void): void {
    this.#answers.push(onAnswer);
    this.#send(words);
  }

  // ---- bytes

  #onData(chunk: Buffer): void {
    this.heardAt = this.#target.world.now();
    if (this.#held === undefined) this.#takeAll(chunk);
    else this.#held = Buffer.concat([this.#held, chunk]);
  }

  #takeAll(chunk: Buffer): void {
    this.#guarded(() => {
      for (let rest = chunk; rest.length > 0 && !this.#closed; ) {
        rest = this.#take(rest);
        if (this.#held === undefined) continue;
        this.#held = rest;
        return;
      }
    });
  }

  /** What comes may be no stream: that ends the link. */
  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  /** Takes a part of the bytes; the rest. */
  #take(chunk: Buffer): Buffer {
    if (this.stage === 'connected') {
      this.#feed(chunk);
      return chunk.subarray(chunk.length);
    }
    if (this.#copy !== undefined && !this.#target.mayLoad()) {
      this.#hold();
      this.#heldUp = true;
      return chunk;
    }
    const reader = this.#copy?.reader;
    if (reader === undefined) return this.#takeLine(chunk);
    const loading = this.#copy!.loading!;
    const piece = chunk.subarray(0, loading.pieceBytes?.() ?? chunk.length);
    const rest = chunk.subarray(piece.length - reader.feed(piece).length);
    const delayMs = loading.delayMs?.() ?? 0;
    if (delayMs > 0) this.#delay(delayMs);
    else if (reader.done) this.#onCopied();
    return rest;
  }

  /** Bytes of the stream, or none: what may be applied is, and no more is read than may be kept. */
  #feed(chunk?: Buffer): void {
    if (chunk === undefined) this.#stream.goOn();
    else this.#stream.feed(chunk);
    const full = this.#stream.pending > maxHeld && !this.#target.mayApply();
    if (full === this.#full) return;
    this.#full = full;
    if (full) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Takes nothing for a while, in the midst of a copy or at its end. */
  #delay(ms: number): void {
    this.#hold();
    this.#target.world.after(ms, () => this.#release());
  }

  #hold(): void {
    this.#socket.pause();
    this.#held = Buffer.alloc(0);
  }

  #release(): void {
    if (this.#closed) return;
    this.#heldUp = !this.#target.mayLoad();
    if (this.#heldUp) return;
    const held = this.#held!;
    this.#held = undefined;
    this.#socket.resume();
    this.#guarded(() => {
      if (this.#copy?.reader?.done) this.#onCopied();
    });
    if (held.length > 0) this.#takeAll(held);
  }

  #takeLine(chunk: Buffer): Buffer {
    const end = chunk.indexOf('\n');
    this.#line += chunk.toString('latin1', 0, end < 0 ? chunk.length : end);
    if (this.#line.length > maxLineLength) throw new Error('a line without an end');
    if (end < 0) return chunk.subarray(chunk.length);
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    // Empty lines are keepalives.
    if (line !== '') this.#onLine(line);
    return chunk.subarray(end + 1);
  }

  #onLine(line: string): void {
    const copy = this.#copy;
    if (copy !== undefined) {
      copy.loading = this.#target.load(copy.id);
      copy.reader = new CopyReader(line, copy.loading.sink, this.#target.databases);
      const { length } = copy.reader;
      const what = length < 0 ? 'streamed RDB from master with EOF' : `${length} bytes from master`;
      this.#log(`MASTER <-> REPLICA sync: receiving ${what} to parser`);
      this.#log('MASTER <-> REPLICA sync: Loading DB in memory');
      return;
    }
    const onAnswer = this.#answers.shift();
    if (onAnswer === undefined) throw new Error('an answer to nothing');
    onAnswer(line);
  }

  #onCopied(): void {
    const { id, offset, loading } = this.#copy!;
    this.#copy = undefined;
    loading!.finish();
    this.#log('MASTER <-> REPLICA sync: Finished with success');
    this.#target.history.adopt(id, offset);
    this.#target.onRenamed();
    this.#setStage('connected');
    this.acknowledge();
  }
}
