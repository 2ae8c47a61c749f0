import assert from 'node:assert/strict';
import { parseOptions, UsageError } from '../../../bench/options.ts';

const refused = (argv: string[], text: RegExp): void => {
  assert.throws(
    () => parseOptions(argv),
    (error) => error instanceof UsageError && text.test(error.message),
  );
};

describe('bench options', () => {
  it('measures all clients on real servers by default', () => {
    const options = parseOptions([]);
    assert.equal(options.suite.kind, 'macro');
    assert.equal(options.server, 'real');
    assert.equal(options.rounds, 5);
    assert.deepEqual(options.clients.slice(0, 2), ['floor', 'lingcache']);
    assert.ok(options.workloads.length > 15);
  });

  it('is short with --quick, unless the length is given', () => {
    assert.deepEqual([parseOptions(['--quick']).rounds, parseOptions(['--quick']).seconds], [2, 0.15]);
    assert.deepEqual([parseOptions(['redirect']).rounds, parseOptions(['redirect', '--quick']).rounds], [3, 1]);
    const given = parseOptions(['--quick', '--rounds', '3', '--seconds', '1.5']);
    assert.deepEqual([given.rounds, given.seconds, given.quick], [3, 1.5, true]);
  });

  it('takes the number of masters, where the clients are compared', () => {
    assert.equal(parseOptions([]).masters, 3);
    assert.equal(parseOptions(['--masters', '30']).masters, 30);
    refused(['--masters', '0'], /--masters 0: expected a whole number from 1 to 100/);
    refused(['--masters', '101'], /--masters 101/);
    refused(['redirect', '--masters', '30'], /--masters: not for redirect/);
  });

  it('takes suites and single micro benches', () => {
    assert.equal(parseOptions(['redirect']).suite.kind, 'redirect');
    assert.equal(parseOptions(['growth']).suite.kind, 'growth');
    assert.equal(parseOptions(['behaviour']).suite.kind, 'behaviour');
    assert.equal(parseOptions(['servers', '--packages', '/x']).packages, '/x');
    assert.deepEqual(parseOptions(['micro']).suite, {
      kind: 'micro',
      rooms: ['encode', 'decode', 'slot', 'route', 'cache'],
    });
    assert.deepEqual(parseOptions(['slot', 'route']).suite, { kind: 'micro', rooms: ['slot', 'route'] });
  });

  it('takes workloads by name and by parts of names, each once', () => {
    const names = (text: string): string[] => parseOptions(['--workloads', text]).workloads.map((one) => one.name);
    assert.deepEqual(names('burst-1000-get'), ['burst-1000-get']);
    assert.deepEqual(names('64k,loops-64-get-64k'), [
      'burst-100-get-64k',
      'batch-100-get-64k',
      'loops-64-get-64k',
      'loops-64-set-64k',
    ]);
    assert.ok(names('loops-1').every((name) => !name.startsWith('loops-1000')));
  });

  it('names the word it does not understand', () => {
    refused(['nosuch'], /Unknown suite "nosuch"/);
    refused(['redirect', 'slot'], /Unexpected "slot"/);
    refused(['--clients', 'ioredis,nosuch'], /--clients nosuch: expected floor, lingcache/);
    refused(['--workloads', 'nosuch'], /--workloads nosuch/);
    refused(['--server', 'mine'], /--server mine: expected real or bundled/);
    refused(['--rounds', '0'], /--rounds 0/);
    refused(['--rounds', '1e3'], /--rounds 1e3/);
    refused(['--seconds', 'long'], /--seconds long/);
    refused(['--label', '../up'], /--label \.\.\/up/);
    refused(['--nosuch'], /nosuch/);
  });
});
