// lingcache/otel: spans and metrics of OpenTelemetry, made of what the client publishes on its diagnostics channels. It
// patches nothing, so it does not matter which is loaded first, nor how.
// Owns: its subscriptions, and the spans of what is under way. Does not know: clients, but for those given to watch().
// Invariant: while it is disabled, no channel of the client has a listener of its.

import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import {
  type Attributes,
  context,
  type MeterProvider,
  metrics,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import type {
  BatchContext,
  CacheMessage,
  CommandContext,
  ConnectContext,
  RedirectMessage,
  RefreshMessage,
} from '../core/diagnostics.ts';
import { batchAttributes, commandAttributes, connectAttributes, errorAttributes, queryText } from './attributes.ts';
import { Instruments, type WatchedClient } from './instruments.ts';

export type { WatchedClient } from './instruments.ts';

export interface LingcacheInstrumentationConfig {
  /** Default true: the constructor enables it. */
  enabled?: boolean;
  /** Commands, batches and connects become spans only inside of another span. Default false. */
  requireParentSpan?: boolean;
  /** `db.query.text`, the command with its harmless arguments and "?" for all others. Default true. */
  queryText?: boolean;
}

/** What a listener of a tracing channel finds in the context of what went wrong. */
type Ended = { error?: unknown };

/** Ends what was begun, with the error if there was one. */
type End = (error: unknown) => void;

const name = 'lingcache/otel';
/** Of what is published by this instrumentation: names of spans, metrics and attributes. */
const version = '1.0.0';

/**
 * An instrumentation for `registerInstrumentations` or the Node SDK; also of use alone, with the global providers.
 *
 * @example
 * registerInstrumentations({ instrumentations: [new LingcacheInstrumentation()] });
 */
export class LingcacheInstrumentation {
  readonly instrumentationName: string = name;
  readonly instrumentationVersion: string = version;
  #config: LingcacheInstrumentationConfig;
  #tracer: Tracer = trace.getTracer(name, version);
  #instruments: Instruments;
  /** The batch whose commands are being sent: their spans are its children. */
  #batch: Span | undefined;
  #leave: (() => void) | undefined;

  constructor(config: LingcacheInstrumentationConfig = {}) {
    this.#config = { enabled: true, ...config };
    this.#instruments = new Instruments(metrics.getMeter(name, version));
    if (this.#config.enabled === true) this.enable();
  }

  /** Listens from now on. Does nothing when it does. */
  enable(): void {
    this.#config = { ...this.#config, enabled: true };
    this.#leave ??= this.#listen();
  }

  /** Listens no more: what is under way stays without an end. */
  disable(): void {
    this.#config = { ...this.#config, enabled: false };
    this.#leave?.();
    this.#leave = undefined;
  }

  setTracerProvider(provider: TracerProvider): void {
    this.#tracer = provider.getTracer(name, version);
  }

  setMeterProvider(provider: MeterProvider): void {
    this.#instruments = this.#instruments.moved(provider.getMeter(name, version));
  }

  setConfig(config: LingcacheInstrumentationConfig): void {
    this.#config = { ...config, enabled: this.#leave !== undefined };
  }

  getConfig(): LingcacheInstrumentationConfig {
    return this.#config;
  }

  /**
   * Reports the client's connections and queues as well, at each collection, until the function that it returns is
   * called: one that has ended should be left.
   */
  watch(client: WatchedClient): () => void {
    this.#instruments.watch(client);
    return () => this.#instruments.unwatch(client);
  }

  #listen(): () => void {
    const leave = [
      traceWith<CommandContext>('ioredis:command', (made) => this.#command(made)),
      ...['ioredis:batch', 'lingcache:batch'].map((name) =>
        traceWith<BatchContext>(
          name,
          (made) => this.#startBatch(made),
          () => {
            this.#batch = undefined;
          },
        ),
      ),
      traceWith<ConnectContext>('ioredis:connect', (made) => this.#connect(made)),
      listenTo<RedirectMessage>('lingcache:redirect', (message) => this.#instruments.redirected(message)),
      listenTo<RefreshMessage>('lingcache:refresh', (message) => this.#instruments.refreshed(message)),
      listenTo<CacheMessage>('lingcache:cache', (message) => this.#instruments.cached(message)),
    ];
    return () => {
      for (const one of leave) one();
    };
  }

  #command(made: CommandContext): End {
    const attributes = commandAttributes(made);
    const text = this.#config.queryText === false ? {} : queryText(made);
    return this.#begin(made.command.toUpperCase(), { ...attributes, ...text }, this.#instruments.operation(attributes));
  }

  #startBatch(made: BatchContext): End {
    const attributes = batchAttributes(made);
    const size = { 'db.operation.batch.size': made.batchSize };
    return this.#begin(made.batchMode, { ...attributes, ...size }, this.#instruments.operation(attributes), (span) => {
      this.#batch = span;
    });
  }

  #connect(made: ConnectContext): End {
    const attributes = connectAttributes(made);
    return this.#begin('connect', attributes, this.#instruments.connect(attributes));
  }

  /** A span inside of the active one, or of the batch that is being sent. */
  #begin(name: string, attributes: Attributes, measure: End, opened?: (span: Span) => void): End {
    const active = this.#batch === undefined ? context.active() : trace.setSpan(context.active(), this.#batch);
    if (this.#config.requireParentSpan === true && trace.getSpan(active) === undefined) return measure;
    const span = this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, active);
    opened?.(span);
    return (error) => {
      measure(error);
      endSpan(span, error);
    };
  }
}

function endSpan(span: Span, error: unknown): void {
  if (error !== undefined) {
    span.setAttributes(errorAttributes(error));
    span.recordException(error instanceof Error ? error : String(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
  }
  span.end();
}

/** Listens to a tracing channel: `begin` when something starts, `sent` when its call has returned. */
function traceWith<Context extends object>(name: string, begin: (made: Context) => End, sent?: () => void): () => void {
  const tracing = tracingChannel(name);
  const open = new WeakMap<object, End>();
  const finish = (made: object): void => {
    const end = open.get(made);
    open.delete(made);
    end?.((made as Ended).error);
  };
  const listeners = {
    start: (made: object): void => {
      open.set(made, begin(made as Context));
    },
    end: (made: object): void => {
      sent?.();
      // What threw at once has no other end.
      if ((made as Ended).error !== undefined) finish(made);
    },
    asyncStart: (): void => undefined,
    asyncEnd: finish,
    error: (): void => undefined,
  };
  tracing.subscribe(listeners);
  return () => void tracing.unsubscribe(listeners);
}

function listenTo<Message>(name: string, listen: (message: Message) => void): () => void {
  const listener = (message: unknown): void => listen(message as Message);
  subscribe(name, listener);
  return () => void unsubscribe(name, listener);
}
