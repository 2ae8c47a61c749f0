// The table of nodes: only the rows that can be seen exist, so that a thousand nodes cost what twenty do.

import type { NodeRow } from '../server/operator/dashboard/protocol.ts';
import { byId, make, setClass, setText } from './dom.ts';
import { bytesText, countText, cssOf, shareText } from './figures.ts';
import { columns, type Model, type Order, orderedNodes } from './model.ts';

const rowHeight = 36;
const spare = 6;

interface Row {
  readonly element: HTMLTableRowElement;
  readonly cells: readonly HTMLElement[];
  readonly swatch: HTMLElement;
  readonly act: HTMLButtonElement;
  node: NodeRow | undefined;
}

export class NodeTable {
  #order: Order = { key: 'shard', descending: false };
  #filter = '';
  readonly #model: Model;
  readonly #rows: Row[] = [];
  readonly #head: HTMLElement[] = [];
  readonly #body = byId('table').querySelector('tbody')!;
  readonly #above = make('tr');
  readonly #below = make('tr');
  readonly #onFailover: (node: NodeRow) => void;

  constructor(model: Model, onChange: () => void, onFailover: (node: NodeRow) => void) {
    this.#model = model;
    this.#onFailover = onFailover;
    this.#makeHead(onChange);
    this.#body.append(this.#above, this.#below);
    byId('scroller').addEventListener('scroll', onChange, { passive: true });
    const filter = byId<HTMLInputElement>('filter');
    filter.addEventListener('input', () => {
      this.#filter = filter.value;
      onChange();
    });
  }

  #makeHead(onChange: () => void): void {
    const row = make('tr');
    for (const { name, key, descending } of columns) {
      const button = make('button', '', name);
      button.type = 'button';
      const cell = make('th', '', button);
      cell.scope = 'col';
      button.addEventListener('click', () => {
        const same = this.#order.key === key;
        // A third click goes back to shards.
        const back = same && this.#order.descending !== descending;
        this.#order = back ? { key: 'shard', descending: false } : { key, descending: same ? !descending : descending };
        for (const other of this.#head) other.removeAttribute('aria-sort');
        if (!back) cell.setAttribute('aria-sort', this.#order.descending ? 'descending' : 'ascending');
        onChange();
      });
      this.#head.push(cell);
      row.append(cell);
    }
    byId('table').querySelector('thead')!.append(row);
  }

  draw(): void {
    const nodes = orderedNodes(this.#model.frame?.nodes ?? [], this.#filter, this.#order);
    const scroller = byId('scroller');
    const first = Math.max(0, Math.floor(scroller.scrollTop / rowHeight) - spare);
    const shown = nodes.slice(first, first + Math.ceil(scroller.clientHeight / rowHeight) + 2 * spare);
    while (this.#rows.length < shown.length) this.#addRow();
    for (const [at, row] of this.#rows.entries()) {
      row.element.hidden = shown[at] === undefined;
      if (shown[at] !== undefined) this.#fill(row, shown[at]);
    }
    this.#above.style.height = `${first * rowHeight}px`;
    this.#below.style.height = `${(nodes.length - first - shown.length) * rowHeight}px`;
    const all = this.#model.frame?.nodes.length ?? 0;
    setText(byId('nodes-title'), nodes.length === all ? `Nodes · ${all}` : `Nodes · ${nodes.length} of ${all}`);
  }

  #addRow(): void {
    const element = make('tr');
    const cells = columns.map(() => make('td'));
    element.append(...cells);
    const swatch = make('i', 'swatch');
    const address = make('span');
    cells[0]!.append(swatch, address);
    const status = make('span', 'status');
    cells[2]!.append(status);
    const act = make('button', '', 'Fail over');
    act.type = 'button';
    const row: Row = { element, swatch, act, node: undefined, cells: [address, cells[1]!, status, ...cells.slice(3)] };
    act.addEventListener('click', () => row.node !== undefined && this.#onFailover(row.node));
    const server = make('span');
    cells.at(-1)!.append(server, ' ', act);
    (row.cells as HTMLElement[])[cells.length - 1] = server;
    this.#rows.push(row);
    this.#below.before(element);
  }

  #fill(row: Row, node: NodeRow): void {
    row.node = node;
    setClass(row.element, node.role);
    row.swatch.style.background = cssOf(this.#model.colourOf(node));
    setClass(row.cells[2]!, `status ${node.status}`);
    for (const [at, text] of textsOf(node).entries()) setText(row.cells[at]!, text);
    setClass(row.cells[11]!, node.linkUp === false ? 'bad-figure' : '');
    row.act.hidden = !(this.#model.operate && node.role === 'replica' && node.status === 'online');
    row.act.setAttribute('aria-label', `Fail over to ${node.address}`);
  }
}

function textsOf(node: NodeRow): string[] {
  const limit = node.maxMemory === null || node.maxMemory === 0 ? '' : ` / ${bytesText(node.maxMemory)}`;
  const lag = node.linkUp === false ? 'no link' : bytesText(node.lagBytes);
  return [
    node.address,
    node.role,
    node.status,
    node.role === 'replica' ? '' : countText(node.slots),
    countText(node.keys),
    `${bytesText(node.memory)}${limit}`,
    countText(node.ops),
    shareText(node.cpu),
    countText(node.redirects),
    countText(node.clients),
    node.pingMs === null ? '–' : node.pingMs.toFixed(node.pingMs < 10 ? 2 : 0),
    node.role === 'replica' ? lag : '',
    node.server,
  ];
}
