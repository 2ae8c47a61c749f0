// lingcache/otel with the real SDK: spans and metrics of a client on a cluster.

import assert from 'node:assert/strict';
import { context, type MeterProvider as Meters, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { Cluster, slotOf } from '../../../lib/index.ts';
import { LingcacheInstrumentation } from '../../../lib/otel/otel.ts';
import { type BundledCluster, startCluster } from '../../../server/index.ts';

describe('cluster: OpenTelemetry', () => {
  let bundled: BundledCluster;
  let cluster: Cluster;
  let unregister: () => void;
  const spans = new InMemorySpanExporter();
  const tracers = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1_000_000 });
  const meters = new MeterProvider({ readers: [reader] });
  const instrumentation = new LingcacheInstrumentation({ enabled: false });

  before(async () => {
    tracers.register();
    unregister = registerInstrumentations({
      instrumentations: [instrumentation],
      tracerProvider: tracers,
      meterProvider: meters as Meters,
    });
    bundled = await startCluster({ masters: 2, replicas: 0 });
    cluster = new Cluster(bundled.seeds);
    await cluster.set('{a}1', 'secret');
  });

  after(async () => {
    unregister();
    await cluster.quit();
    await bundled.close();
    await Promise.all([tracers.shutdown(), meters.shutdown()]);
    trace.disable();
    context.disable();
  });

  afterEach(() => spans.reset());

  const named = (name: string) => spans.getFinishedSpans().filter((span) => span.name === name);

  /** The points of a metric as it is now. */
  async function pointsOf(name: string): Promise<{ attributes: Record<string, unknown>; value: unknown }[]> {
    exporter.reset();
    await meters.forceFlush();
    const [found] = exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) =>
        scopeMetrics.flatMap(({ metrics }) => metrics.filter(({ descriptor }) => descriptor.name === name)),
      );
    return (found?.dataPoints ?? []) as { attributes: Record<string, unknown>; value: unknown }[];
  }

  it('a connect is a span', () => {
    const [span] = named('connect');
    assert.equal(span!.kind, SpanKind.CLIENT);
    assert.equal(span!.attributes['server.address'], '127.0.0.1');
  });

  it('a command is a span inside of the active one, without its value', async () => {
    const tracer = tracers.getTracer('app');
    const parent = tracer.startSpan('parent');
    await context.with(trace.setSpan(context.active(), parent), () => cluster.set('{a}1', 'secret'));
    parent.end();
    const [span, ...others] = named('SET');
    assert.equal(others.length, 0);
    assert.equal(span!.parentSpanContext?.spanId, parent.spanContext().spanId);
    const { 'server.port': port, ...attributes } = span!.attributes;
    assert.ok(bundled.seeds.some((seed) => seed.port === port));
    assert.deepEqual(attributes, {
      'db.system.name': 'redis',
      'db.operation.name': 'SET',
      'db.namespace': '0',
      'db.query.text': 'SET {a}1 ?',
      'server.address': '127.0.0.1',
    });
    assert.doesNotMatch(JSON.stringify(span!.attributes), /secret/);
  });

  it("a refusal ends its span with the server's word", async () => {
    await assert.rejects(cluster.lpush('{a}1', 'w'), /WRONGTYPE/);
    const [span] = named('LPUSH');
    assert.equal(span!.status.code, SpanStatusCode.ERROR);
    assert.equal(span!.attributes['error.type'], 'WRONGTYPE');
    assert.equal(span!.attributes['db.response.status_code'], 'WRONGTYPE');
  });

  for (const [mode, run] of [
    ['PIPELINE', () => cluster.pipeline().get('{a}1').get('{a}2').exec()],
    ['MULTI', () => cluster.multi().get('{a}1').get('{a}2').exec()],
  ] as const) {
    it(`${mode} is a span of its own, and its commands are inside of it`, async () => {
      await run();
      const [batch] = named(mode);
      const commands = named('GET');
      assert.equal(batch!.attributes['db.operation.batch.size'], 2);
      assert.equal(commands.length, 2);
      for (const command of commands) assert.equal(command.parentSpanContext?.spanId, batch!.spanContext().spanId);
      await cluster.get('{a}1');
      assert.equal(named('GET')[2]!.parentSpanContext, undefined);
    });
  }

  it('counts and times: operations, connects, redirects, refreshes', async () => {
    const slot = slotOf('{a}1');
    for (const target of [0, 1]) {
      await bundled.moveSlot(slot, target);
      await cluster.get('{a}1');
    }
    const redirects = await pointsOf('lingcache.redirects');
    assert.ok(
      redirects.some(({ attributes, value }) => attributes['lingcache.redirect.kind'] === 'moved' && Number(value) > 0),
    );
    const operations = await pointsOf('db.client.operation.duration');
    const refused = operations.find(({ attributes }) => attributes['error.type'] === 'WRONGTYPE');
    assert.equal(refused!.attributes['db.operation.name'], 'LPUSH');
    assert.equal((refused!.value as { count: number }).count, 1);
    assert.ok((await pointsOf('db.client.connection.create_time')).length > 0);
    const refreshes = await pointsOf('lingcache.refreshes');
    assert.ok(refreshes.some(({ attributes }) => attributes['lingcache.refresh.reason'] === 'connect'));
  });

  it('a watched client reports its connections until it is left', async () => {
    let asked = 0;
    const stats = () => {
      asked++;
      return cluster.stats();
    };
    const leave = instrumentation.watch({ stats });
    const connections = await pointsOf('db.client.connection.count');
    assert.equal(connections.length, 2);
    assert.ok(connections.every(({ attributes }) => attributes['db.client.connection.state'] !== undefined));
    assert.equal((await pointsOf('lingcache.waiting'))[0]!.value, 0);
    const before = asked;
    leave();
    await pointsOf('lingcache.waiting');
    assert.equal(asked, before);
  });

  it('reports nothing while it is disabled, and again after', async () => {
    instrumentation.disable();
    await cluster.get('{a}1');
    assert.equal(named('GET').length, 0);
    instrumentation.enable();
    await cluster.get('{a}1');
    assert.equal(named('GET').length, 1);
  });

  it('with requireParentSpan, spans come inside of others alone', async () => {
    instrumentation.setConfig({ requireParentSpan: true, queryText: false });
    await cluster.get('{a}1');
    assert.equal(named('GET').length, 0);
    const parent = tracers.getTracer('app').startSpan('parent');
    await context.with(trace.setSpan(context.active(), parent), () => cluster.get('{a}1'));
    assert.equal(named('GET').length, 1);
    assert.equal(named('GET')[0]!.attributes['db.query.text'], undefined);
    instrumentation.setConfig({});
  });
});
