// What users read in their editors: every public class, option and field of an error is described.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/gen/capture.ts';

/** Files whose exported declarations, and the members of these, are all public. */
const described = `lib/options/options.ts lib/facade/types.ts lib/core/stats.ts lib/base/errors.ts
  lib/scan/scan-stream.ts`.split(/\s+/);

/** Where the public classes are. */
const classes: Readonly<Record<string, string>> = {
  'lib/facade/cluster.ts': 'Cluster',
  'lib/facade/redis.ts': 'Redis',
  'lib/facade/client.ts': 'Client',
  'lib/facade/pipeline.ts': 'PipelineBuilder',
  'lib/facade/compat/command.ts': 'Command',
  'lib/scan/scan-stream.ts': 'ScanStream',
  'lib/wire/reply.ts': 'ReplyError',
  'server/embedded/cluster.ts': 'BundledCluster',
  'server/embedded/node.ts': 'BundledNode',
  'server/embedded/process-cluster.ts': 'ProcessCluster',
  'server/embedded/process-node.ts': 'ProcessNode',
  'server/operator/operator.ts': 'ClusterOperator',
  'server/operator/reshard/reshard.ts': 'MoveEngine',
  'server/operator/rebalance/rebalance.ts': 'Balancer',
  'server/operator/monitor/monitor.ts': 'ClusterMonitor',
};

const linesOf = (path: string): string[] => readFileSync(join(root, path), 'utf8').split('\n');

/** A doc comment ends on the line above, or above a note to the linter. */
function isDescribed(lines: readonly string[], at: number): boolean {
  let above = at - 1;
  while (/^\s*\/\/ biome-ignore/.test(lines[above] ?? '')) above--;
  return /\*\/$/.test(lines[above] ?? '');
}

/** `export interface X`, `export type X = ...`, a member of an interface, a public field of a class. */
const declaration = /^export (abstract )?(class|interface|type) \w+|^(?:export )?(function)/;
const member = /^ {2}(declare )?(readonly )?\w+\??:/;

describe('what users read in their editors', () => {
  it('describes every public class', () => {
    const bare = Object.entries(classes).filter(([path, name]) => {
      const lines = linesOf(path);
      const at = lines.findIndex((line) => new RegExp(`^export (abstract )?class ${name}\\b`).test(line));
      assert.ok(at >= 0, `${path} has no class ${name}`);
      return !isDescribed(lines, at);
    });
    assert.deepEqual(bare, []);
  });

  for (const path of described) {
    it(`describes what ${path} exports, and each of its members`, () => {
      const lines = linesOf(path);
      let kind: string | undefined;
      const found = lines.flatMap((line, at) => {
        const begun = declaration.exec(line);
        if (begun !== null) kind = begun[2];
        const counts = begun?.[2] !== undefined || (member.test(line) && (kind === 'interface' || kind === 'class'));
        return counts ? [at] : [];
      });
      assert.ok(found.length > 0);
      const bare = found.filter((at) => !isDescribed(lines, at)).map((at) => `${path}:${at + 1}: ${lines[at]!.trim()}`);
      assert.deepEqual(bare, []);
    });
  }
});
