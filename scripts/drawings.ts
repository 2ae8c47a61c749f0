// Draws the pictures of docs/principles: sequence diagrams, and the slots as a bar. Run: npm run gen:drawings.
// Owns: docs/principles/*.svg.
// Invariant: the same input gives the same bytes, so that the tests can compare.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = process.cwd();

/** `from>to text` is a message, `actor: text` a note at an actor's line, `-- text` a line across. */
interface Sequence {
  readonly title: string;
  readonly actors: readonly string[];
  readonly steps: readonly string[];
}

const sequences: Readonly<Record<string, Sequence>> = {
  redirects: {
    title: 'MOVED and ASK',
    actors: ['client', 'A, owner of the slot', 'B'],
    steps: [
      'client>B GET k',
      'B>client MOVED 7629 A',
      'client: corrects its map',
      'client>A GET k',
      'A>client value',
      '-- the slot moves from A to B: A migrating, B importing',
      'client>A GET k',
      'A: has no k any more',
      'A>client ASK 7629 B',
      'client>B ASKING, GET k',
      'B>client value',
      'client: the map stays as it is',
    ],
  },
  resharding: {
    title: 'A slot moves from A to B',
    actors: ['operator', 'A, source', 'B, target', 'all others'],
    steps: [
      'operator>B, target SETSLOT s IMPORTING A',
      'operator>A, source SETSLOT s MIGRATING B',
      'operator>A, source GETKEYSINSLOT s 10',
      'operator>A, source MIGRATE B keys',
      'A, source>B, target RESTORE-ASKING each key',
      '-- until A has no key of the slot',
      'operator>B, target SETSLOT s NODE B',
      'B, target: raises its epoch',
      'operator>A, source SETSLOT s NODE B',
      'B, target>all others gossip: s is mine',
    ],
  },
  gossip: {
    title: 'From a silent node to FAIL',
    actors: ['A', 'B', 'C', 'D, silent'],
    steps: [
      'A>D, silent PING',
      'B>D, silent PING',
      '-- cluster-node-timeout without PONG',
      'A: D is PFAIL',
      'B: D is PFAIL',
      'B>A gossip: D is PFAIL',
      'A: a majority of masters',
      'A>B FAIL D',
      'A>C FAIL D',
      '-- a replica of D may ask for votes now',
    ],
  },
  elections: {
    title: 'An election',
    actors: ['A', 'B', 'D (failed)', "D's replica"],
    steps: [
      "D's replica: D is FAIL",
      "D's replica: waits 500 ms + random + rank",
      "D's replica: current epoch + 1",
      "D's replica>A FAILOVER_AUTH_REQUEST",
      "D's replica>B FAILOVER_AUTH_REQUEST",
      "A>D's replica FAILOVER_AUTH_ACK",
      "B>D's replica FAILOVER_AUTH_ACK",
      "D's replica: majority: takes the slots",
      "D's replica>A PONG: slots, new epoch",
      "D's replica>B PONG: slots, new epoch",
      '-- D comes back, hears the higher epoch, becomes a replica',
    ],
  },
  replication: {
    title: 'How an acknowledged write is lost',
    actors: ['client', 'master', 'replica'],
    steps: [
      'client>master SET paid:1',
      'master>client OK',
      'master>replica SET paid:1',
      '-- the link breaks',
      'client>master SET paid:2',
      'master>client OK',
      'master: dies',
      '-- the replica is elected',
      'client>replica GET paid:2',
      'replica>client nil',
    ],
  },
  persistence: {
    title: 'A node starts again',
    actors: ['disk', 'node', 'other nodes'],
    steps: [
      'disk>node appendonlydir or dump.rdb: the keys',
      'disk>node nodes.conf: id, slots, epochs, peers',
      'node>other nodes PING: my slots, my epoch',
      '-- nobody has a higher epoch for them',
      'node: serves as before',
      '-- somebody was elected meanwhile',
      'other nodes>node UPDATE: owner, higher epoch',
      'node: becomes a replica, copies everything',
    ],
  },
  map: {
    title: "The client's map",
    actors: ['client', 'any node', 'owner'],
    steps: [
      'client>any node CLUSTER SLOTS',
      'any node>client slots and their nodes',
      'client>owner GET k',
      '-- a slot has moved',
      'client>owner GET k',
      'owner>client MOVED: patch one slot',
      'client>any node CLUSTER SLOTS, once for many hints',
      '-- the owner dies',
      'client: lost connection: asks others',
      'any node>client the promoted replica',
    ],
  },
};

const style =
  'text{font:13px system-ui,sans-serif;fill:#1f2933}.d{font-size:12px;fill:#52606d}.b{fill:#eef2f7;stroke:#7b8794}.l{stroke:#9aa5b1;stroke-dasharray:3 3}.m{stroke:#1769aa;stroke-width:1.4;marker-end:url(#a)}.n{fill:#fff8e1;stroke:#d9a400}#a path{fill:#1769aa}@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.d{fill:#9aa5b1}.b{fill:#243447;stroke:#7b8794}.m{stroke:#62b0f0}#a path{fill:#62b0f0}.n{fill:#3a3110;stroke:#d9a400}}';

const arrow =
  '<marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker>';

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function svg(width: number, height: number, title: string, body: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`;
  return `${head}<style>${style}</style><defs>${arrow}</defs>\n${body.join('\n')}\n</svg>\n`;
}

const text = (x: number, y: number, words: string, extra = 'text-anchor="middle"'): string =>
  `<text x="${x}" y="${y}" ${extra}>${escaped(words)}</text>`;

const [gap, row, top] = [190, 30, 60];

function sequenceOf({ title, actors, steps }: Sequence): string {
  const xOf = (actor: string): number => {
    const at = actors.indexOf(actor);
    if (at < 0) throw new Error(`${title}: no actor ${actor}`);
    return gap / 2 + at * gap + 10;
  };
  const [width, height] = [actors.length * gap + 20, top + steps.length * row + 20];
  const lines = actors.map((actor) => `<path class="l" d="M${xOf(actor)} 40V${height - 10}"/>`);
  const heads = actors.map((actor) => {
    const x = xOf(actor);
    return `<rect class="b" x="${x - 75}" y="12" width="150" height="28" rx="5"/>${text(x, 31, actor)}`;
  });
  const drawn = steps.map((step, at) => stepOf(step, top + at * row + 12, width, xOf));
  return svg(width, height, title, [...lines, ...heads, ...drawn]);
}

function stepOf(step: string, y: number, width: number, xOf: (actor: string) => number): string {
  const across = /^-- (.*)$/.exec(step)?.[1];
  if (across !== undefined)
    return `<path class="l" d="M10 ${y + 6}H${width - 10}"/>${text(width / 2, y, across, 'class="d" text-anchor="middle"')}`;
  const [, from, to, words] =
    /^(.+?)>(all others|other nodes|any node|D, silent|A, owner of the slot|A, source|B, target|D's replica|\S+) (.*)$/.exec(
      step,
    ) ?? [];
  if (from !== undefined) {
    const [start, end] = [xOf(nameOf(from, xOf)), xOf(nameOf(to!, xOf))];
    return `<path class="m" d="M${start} ${y + 6}H${end + (end > start ? -2 : 2)}"/>${text((start + end) / 2, y, words!, 'class="d" text-anchor="middle"')}`;
  }
  const [, actor, note] = /^(.+?): (.*)$/.exec(step)!;
  const [x, half] = [xOf(nameOf(actor!, xOf)), Math.max(40, note!.length * 3.3 + 8)];
  const middle = Math.min(width - half - 4, Math.max(half + 4, x));
  return `<rect class="n" x="${middle - half}" y="${y - 12}" width="${half * 2}" height="20" rx="3"/>${text(middle, y + 2, note!, 'class="d" text-anchor="middle"')}`;
}

/** Steps may name `A` where the actor is `A, owner of the slot`. */
function nameOf(short: string, xOf: (actor: string) => number): string {
  for (const name of [short, `${short}, owner of the slot`, `${short}, source`, `${short}, target`]) {
    try {
      xOf(name);
      return name;
    } catch {}
  }
  throw new Error(`no actor ${short}`);
}

function slotsPicture(): string {
  const [left, wide] = [20, 680];
  const masters = [
    ['node A', 0, 5460, '#2b8a3e'],
    ['node B', 5461, 10922, '#1769aa'],
    ['node C', 10923, 16383, '#b35900'],
  ] as const;
  const xOf = (slot: number): number => Math.round(left + (slot / 16384) * wide);
  const bar = masters.map(([name, from, to, colour]) => {
    const [x, end] = [xOf(from), xOf(to + 1)];
    return `<rect x="${x}" y="120" width="${end - x}" height="34" fill="${colour}"/>${text((x + end) / 2, 142, name, 'text-anchor="middle" style="fill:#fff"')}${text((x + end) / 2, 172, `${from} to ${to}`, 'class="d" text-anchor="middle"')}`;
  });
  const keys = [
    ['user:1000', 'user:1000', 1649],
    ['{user:1000}.cart', 'user:1000', 1649],
    ['foo', 'foo', 12182],
  ] as const;
  const drawn = keys.map(([key, hashed, slot], at) => {
    const x = [128, 375, 612][at]!;
    return `<rect class="b" x="${x - 75}" y="12" width="150" height="28" rx="5"/>${text(x, 31, key)}${text(x, 62, `CRC16("${hashed}") mod 16384 = ${slot}`, 'class="d" text-anchor="middle"')}<path class="m" d="M${x} 72L${xOf(slot)} 118"/>`;
  });
  return svg(740, 185, 'From a key to its node', [...bar, ...drawn]);
}

/** Path from the root -> text. */
export function drawings(): Map<string, string> {
  const made = Object.entries(sequences).map(
    ([name, sequence]) => [`docs/principles/${name}.svg`, sequenceOf(sequence)] as const,
  );
  return new Map([...made, ['docs/principles/slots.svg', slotsPicture()]]);
}

/** Pictures that differ from what the script draws. */
export function staleDrawings(): string[] {
  return [...drawings()]
    .filter(([path, content]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== content)
    .map(([path]) => `${path}: not what the script draws (run npm run gen:drawings)`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [path, content] of drawings()) writeFileSync(join(root, path), content);
}
