import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { Config } from '../../../../server/config/config.ts';
import { LatencyHistogram, LatencyMonitor } from '../../../../server/engine/latency.ts';
import { Rates } from '../../../../server/engine/rates.ts';
import { redacted } from '../../../../server/engine/redaction.ts';

describe('latency monitor', () => {
  it('keeps spikes over the threshold, the longest of each second', () => {
    const world = new ManualWorld({ now: 1_700_000_000_000 });
    const config = new Config();
    const monitor = new LatencyMonitor(world, config);
    monitor.note('command', 1000);
    assert.deepEqual(monitor.events(), [], 'nothing is watched by default');
    config.set([['latency-monitor-threshold', '20']]);
    monitor.note('command', 19.9);
    monitor.note('command', 30.7);
    monitor.note('command', 25);
    world.forward(1000);
    monitor.note('command', 21);
    monitor.note('expire-cycle', 99);
    assert.deepEqual(monitor.event('command'), {
      name: 'command',
      samples: [
        { at: 1_700_000_000, ms: 30 },
        { at: 1_700_000_001, ms: 21 },
      ],
      longest: 30,
    });
    assert.equal(monitor.reset(['command', 'nothing']), 1);
    assert.equal(monitor.reset([]), 1);
  });

  it('keeps 160 samples of an event', () => {
    const world = new ManualWorld();
    const monitor = new LatencyMonitor(world, new Config());
    for (let at = 1; at <= 200; at++) {
      monitor.add('event', at);
      world.forward(1000);
    }
    const { samples } = monitor.event('event')!;
    assert.deepEqual([samples.length, samples[0]!.ms, samples.at(-1)!.ms], [160, 41, 200]);
  });
});

describe('latency histogram', () => {
  it('gives percentiles within one part in a hundred', () => {
    const histogram = new LatencyHistogram();
    for (let us = 1; us <= 1000; us++) histogram.note(us / 1000);
    for (const [percent, us] of [
      [50, 500],
      [99, 990],
      [99.9, 999],
      [100, 1000],
    ] as const) {
      assert.ok(
        Math.abs(histogram.percentile(percent) - us) <= us / 100,
        `${percent}: ${histogram.percentile(percent)}`,
      );
    }
  });

  it('counts calls by doublings of a microsecond, cumulatively', () => {
    const histogram = new LatencyHistogram();
    for (const us of [0.5, 1.5, 1.6, 3, 100, 5_000_000]) histogram.note(us / 1000);
    const doublings = histogram.doublings();
    assert.deepEqual(doublings.slice(0, 4), [
      [1, 1],
      [2, 3],
      [4, 4],
      [132, 5],
    ]);
    assert.equal(doublings.at(-1)![1], 6, 'what takes longer than a second counts as one');
  });
});

describe('rates', () => {
  it('are means over the samples, and none after a reset', () => {
    const world = new ManualWorld();
    const counters = { commands: 0, input: 0, output: 0 };
    const rates = new Rates(world, counters);
    assert.equal(rates.commands, 0);
    for (let at = 0; at < 30; at++) {
      rates.tick();
      counters.commands += 10;
      counters.input += 1024;
      world.forward(100);
    }
    assert.deepEqual([rates.commands, rates.inputKb, rates.outputKb], [100, 10, 0]);
    counters.commands = 0;
    world.forward(100);
    rates.tick();
    assert.equal(rates.commands, 0);
  });
});

describe('words that are not for logs', () => {
  it('are passwords and users', () => {
    const shown = (name: string, ...argv: string[]): string => redacted(name, argv).join(' ');
    assert.equal(shown('auth', 'AUTH', 'me', 'secret'), 'AUTH (redacted) (redacted)');
    assert.equal(
      shown('hello', 'HELLO', '3', 'auth', 'me', 'pw', 'SETNAME', 'x'),
      'HELLO 3 auth (redacted) (redacted) SETNAME x',
    );
    assert.equal(
      shown('config|set', 'CONFIG', 'SET', 'hz', '1', 'MasterAuth', 'pw'),
      'CONFIG SET hz 1 MasterAuth (redacted)',
    );
    assert.equal(shown('acl|setuser', 'ACL', 'SETUSER', 'bob', '>pw'), 'ACL SETUSER (redacted) (redacted)');
    assert.equal(
      shown('migrate', 'MIGRATE', 'h', '1', 'k', '0', '5', 'AUTH2', 'me', 'pw', 'KEYS', 'a'),
      'MIGRATE h 1 k 0 5 AUTH2 (redacted) (redacted) KEYS a',
    );
    assert.equal(
      shown('migrate', 'MIGRATE', 'h', '1', '', '0', '5', 'AUTH', 'pw', 'KEYS', 'auth', 'k'),
      'MIGRATE h 1  0 5 AUTH (redacted) KEYS auth k',
    );
    assert.equal(shown('get', 'GET', 'auth'), 'GET auth');
  });
});
