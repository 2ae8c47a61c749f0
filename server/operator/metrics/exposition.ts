// Families as text, in the OpenMetrics or the older Prometheus format, by prom-client.

import { Counter, Gauge, type OpenMetricsContentType, Registry } from 'prom-client';
import type { Family } from './families.ts';

export type MetricsFormat = 'openmetrics' | 'prometheus';

export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

export async function expose(families: readonly Family[], format: MetricsFormat): Promise<Exposition> {
  const registry = format === 'openmetrics' ? new Registry<OpenMetricsContentType>() : new Registry();
  if (format === 'openmetrics')
    (registry as Registry<OpenMetricsContentType>).setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  for (const family of families) register(registry, family);
  return { contentType: registry.contentType, text: await registry.metrics() };
}

/** In OpenMetrics a counter's series end in `_total`, and its name does not. */
function register(registry: Registry | Registry<OpenMetricsContentType>, { name, help, type, series }: Family): void {
  const labelNames = Object.keys(series[0]?.labels ?? {});
  const options = { name, help, labelNames, registers: [registry] };
  if (type === 'gauge') {
    const gauge = new Gauge(options);
    for (const { labels, value } of series) gauge.set(labels, value);
    return;
  }
  const counter = new Counter(options);
  for (const { labels, value } of series) counter.inc(labels, Math.max(0, value));
}

/** By the Accept header of a scraper: OpenMetrics where it is named. */
export function formatFor(accept: string | undefined): MetricsFormat {
  return /\bapplication\/openmetrics-text\b/.test(accept ?? '') ? 'openmetrics' : 'prometheus';
}
