// `lingcache big`: the biggest keys of every type.

import { findBigKeys } from '../../operator/monitor/big-keys.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { keyScanOptions } from '../common-options.ts';
import { bytesText, countText, keyText } from './shown.ts';

export const big: Command = defineCommand({
  name: 'big',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    top: {
      kind: 'integer',
      value: 'N',
      least: 1,
      most: 10_000,
      default: 5,
      help: 'keys listed of each type; default 5',
    },
    type: { kind: 'text', value: 'TYPE', help: 'string, list, set, zset, hash or stream alone' },
    match: { kind: 'text', value: 'PATTERN', help: 'keys that match alone' },
    samples: {
      kind: 'integer',
      value: 'N',
      least: 0,
      default: 5,
      help: 'elements of a value that are weighed; 0: all; default 5',
    },
    ...keyScanOptions,
  },
  details: 'Walks all masters by SCAN and MEMORY USAGE, every database, no faster than --rate.',
  connects: true,
  run: async ({ args, options, out, signal, link, progress }) => {
    const { rate: keysPerSecond, ...rest } = options;
    const connection = await link(args[0]!);
    const bar = progress('keys');
    const found = await findBigKeys(connection, {
      ...rest,
      keysPerSecond,
      signal,
      onProgress: (done, total) => bar.update(done, total, `${countText(done)} keys`),
    });
    bar.end();
    const types = Object.entries(found.types).sort(([, one], [, other]) => other.bytes - one.bytes);
    out.answer({
      ...found,
      types: Object.fromEntries(
        types.map(([type, sum]) => [
          type,
          { ...sum, biggest: sum.biggest.map((one) => ({ ...one, key: keyText(one.key, 10_000) })) },
        ]),
      ),
    });
    for (const [type, { keys, bytes, biggest }] of types) {
      out.line(`${type}: ${countText(keys)} keys, ${bytesText(bytes)}`);
      out.table(
        ['bytes', 'key', 'db', 'node'],
        biggest.map((one) => [bytesText(one.bytes), keyText(one.key), `${one.database}`, one.node]),
      );
      out.line();
    }
    if (types.length === 0) out.line('no keys');
    for (const problem of found.problems) out.note(problem);
    if (found.partial) out.note('not everything was looked at');
    return found.problems.length > 0 ? exitCodes.failed : exitCodes.ok;
  },
});
