// What the pages show of a terminal: the commands of a `console` block, what each printed, and when two such texts say
// the same. Owns: what differs from run to run (ids, epochs, times, offsets), and how it is compared nevertheless.
// Does not know: how a command is run.
// Invariant: ids and epochs are compared by where they come again, never ignored.

import type { Block } from '../../../scripts/docs/pages.ts';

export interface Shown {
  /** As it stands behind `$ `, with its comment. */
  readonly command: string;
  readonly answer: string;
}

/** The commands of a `console` block, in order. Lines without a `$ ` before them are one answer without a command. */
export function shownIn({ code }: Block): Shown[] {
  const [first = '', ...parts] = code.split(/^\$ /m);
  const rows = parts.map((part) => {
    const [command = '', ...answer] = part.trimEnd().split('\n');
    return { command, answer: answer.join('\n') };
  });
  return first.trim() === '' ? rows : [{ command: '', answer: first.trimEnd() }, ...rows];
}

/** A command that only asks may be asked again until it shows what the page shows. */
export function onlyAsks(command: string): boolean {
  const writes =
    /\b(?:kill|SETSLOT|MIGRATE|MIGRATESLOTS|FAILOVER|MEET|SET|MSET|DEL|SHUTDOWN|REPLICATE|ADDSLOTS\w*|SAVE\w*|BLPOP|PUBLISH|SPUBLISH|add-node|del-node|rebalance|backup|up|node|npx)\b/;
  return !writes.test(command.replace(/\s#.*$/, ''));
}

/** What says more than the pages show of it. */
const isAbridged = (command: string): boolean => /redis-cli --cluster|npx lingcache|# the first of/.test(command);

/**
 * Undefined when `printed` says what `shown` says, each a whole block so far; else what differs. `shown` may leave out
 * lines of `redis-cli --cluster`.
 */
export function differenceOf(shown: readonly Shown[], printed: readonly string[]): string | undefined {
  const [wanted, got] = [
    new Plain().all(shown.slice(0, printed.length)),
    new Plain().all(
      printed.map((answer, at) => ({ command: shown[at]!.command, answer: visible(shown[at]!, answer) })),
    ),
  ];
  const at = wanted.findIndex((text, place) => text !== got[place]);
  return at < 0 ? undefined : `$ ${shown[at]!.command}\nshown:\n${wanted[at]}\nprinted:\n${printed[at]}`;
}

/** Of what an abridged command printed, the lines that the page shows, as far as they come in its order. */
function visible({ command, answer }: Shown, printed: string): string {
  if (!isAbridged(command)) return printed;
  if (answer === '') return '';
  const lines = printed.split('\n');
  const kept: string[] = [];
  let from = 0;
  for (const wanted of answer.split('\n')) {
    const at = lines.findIndex((line, place) => place >= from && roughly(line) === roughly(wanted));
    if (at < 0) return printed;
    kept.push(lines[at]!);
    from = at + 1;
  }
  return kept.join('\n');
}

const roughly = (line: string): string =>
  line
    .replaceAll(/\u001b\[[\d;]*m/g, '')
    .replaceAll(/\b[0-9a-f]{8}(?:[0-9a-f]{32})?\b(?:\.\.\.)?/g, 'ID')
    .trim();

/** Makes texts of two runs comparable: each id and each epoch becomes a name of its own, in the order of appearance. */
class Plain {
  readonly #names = new Map<string, string>();

  all(shown: readonly Shown[]): string[] {
    return shown.map(({ command, answer }) => this.#text(command, answer));
  }

  #text(command: string, answer: string): string {
    const lines = answer.replaceAll(/\u001b\[[\d;]*m/g, '').split('\n');
    const ordered = /CLUSTER NODES|nodes\.conf/.test(command) ? lines.sort(byAddress) : lines;
    return ordered.map((line) => this.#line(line.trimEnd())).join('\n');
  }

  #line(line: string): string {
    return line
      .replace(
        /^(\S+ \S+ \S+ \S+) \d+ \d+ (\d+) ((?:dis)?connected)/,
        (_, start: string, epoch: string, link: string) => `${start} T T ${this.#epoch(epoch)} ${link}`,
      )
      .replaceAll(
        /(cluster_(?:current|my)_epoch:|currentEpoch |lastVoteEpoch )(\d+)/g,
        (_, name: string, epoch: string) => name + this.#epoch(epoch),
      )
      .replaceAll(/\b([0-9a-f]{8})(?:[0-9a-f]{32}|\.\.\.)?\b/g, (_, id: string) => this.#name('ID', id))
      .replaceAll(
        /(offset[=:]|lag=|ping_sent:|used_memory_human:|waited |^write |^)\d+(?:\.\d+M?)?(?= |,|$| \{| ms)/g,
        (text, name: string) => (name === '' && !/^\d+ (?:\{|ms)/.test(line) ? text : `${name}N`),
      );
  }

  /** 0 is no epoch yet: it stays. */
  #epoch(text: string): string {
    return text === '0' ? '0' : this.#name('EPOCH', text);
  }

  #name(kind: string, text: string): string {
    const key = `${kind} ${text}`;
    const name =
      this.#names.get(key) ?? `${kind}${[...this.#names.keys()].filter((each) => each.startsWith(kind)).length + 1}`;
    this.#names.set(key, name);
    return name;
  }
}

const addressIn = (line: string): string => /\S*:(\d+)@/.exec(line)?.[1] ?? '~';
const byAddress = (a: string, b: string): number => addressIn(a).localeCompare(addressIn(b));
