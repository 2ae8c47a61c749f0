// The dashboard's page: connects, keeps the model, and draws what changed, once a frame of the screen at most.

import type { Frame, Heat, Hello, NodeRow, Trouble } from '../server/operator/dashboard/protocol.ts';
import { drawLines, drawTimeline, type Line } from './charts.ts';
import { Connection, Refused } from './connection.ts';
import { byId, cssVariable, make, setClass, setText } from './dom.ts';
import { bytesText, countText, cssOf, shareText } from './figures.ts';
import { Model } from './model.ts';
import { NodeTable } from './node-table.ts';
import { type MapMode, SlotCanvas } from './slot-canvas.ts';

const model = new Model();
const connection = new Connection();
let dirty = true;
let paused = false;
let trouble = '';
let heardAt = performance.now();
let mapDrawnAt = 0;
const redraw = (): void => {
  dirty = true;
};

const canvas = new SlotCanvas(byId<HTMLCanvasElement>('map'), model, () => {
  showSlot();
  redraw();
});
const table = new NodeTable(model, redraw, (node) => void failover(node));

// What came from the server.

function take(event: string, data: unknown): void {
  heardAt = performance.now();
  if (event === 'hello') model.hello(data as Hello);
  else if (event === 'trouble') trouble = (data as Trouble).message;
  else if (paused) return;
  else if (event === 'heat') model.takeHeat((data as Heat).digits);
  else if (event === 'frame') {
    trouble = '';
    model.take(data as Frame);
  }
  redraw();
}

async function stayConnected(): Promise<void> {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      await connection.read((event, data) => {
        wait = 500;
        take(event, data);
      });
      trouble = 'The dashboard has ended the connection';
    } catch (error) {
      trouble = error instanceof Refused ? error.message : 'The dashboard cannot be reached; trying again';
      if (error instanceof Refused) {
        redraw();
        return;
      }
    }
    redraw();
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

// Parts of the page.

const tiles = ['Ops/s', 'Keys', 'Memory', 'Clients', 'In/s', 'Out/s', 'Redirects/s', 'Nodes'].map((name) => {
  const value = make('dd', '', '–');
  byId('tiles').append(make('dl', 'tile', make('dt', '', name), value));
  return value;
});

function drawTiles({ totals, nodes }: Frame): void {
  const masters = nodes.filter(({ role }) => role === 'master').length;
  const texts = [
    countText(totals.ops),
    countText(totals.keys),
    bytesText(totals.memory),
    countText(totals.clients),
    bytesText(totals.bytesIn),
    bytesText(totals.bytesOut),
    countText(totals.redirects),
    `${masters} + ${nodes.length - masters}`,
  ];
  for (const [at, text] of texts.entries()) setText(tiles[at]!, text);
}

function drawHealth(): void {
  const { frame } = model;
  const lost = trouble !== '';
  const state = lost ? 'lost' : (frame?.health ?? 'connecting');
  setText(byId('health'), lost ? 'no data' : state);
  setClass(byId('health'), `pill ${state}`);
  document.title = `${state} · lingcache`;
  const problems = lost ? [trouble] : (frame?.problems ?? []);
  const box = byId('problems');
  box.hidden = problems.length === 0;
  const text = problems.join('\n');
  if (box.dataset['text'] !== text) {
    box.dataset['text'] = text;
    box.replaceChildren(make('ul', '', ...problems.map((problem) => make('li', '', problem))));
  }
}

const chartLines: readonly [string, (colours: readonly string[]) => Line[], (most: number) => string][] = [
  ['Commands a second', ([one]) => [{ colour: one!, figure: ({ ops }) => ops }], countText],
  [
    'Bytes a second, in and out',
    ([one, two]) => [
      { colour: two!, figure: ({ bytesOut }) => bytesOut },
      { colour: one!, figure: ({ bytesIn }) => bytesIn },
    ],
    bytesText,
  ],
  [
    'Redirects and errors a second',
    ([, , three, four]) => [
      { colour: four!, figure: ({ errors }) => errors },
      { colour: three!, figure: ({ redirects }) => redirects },
    ],
    countText,
  ],
];
const charts = chartLines.map(([name, lines, text]) => {
  const value = make('b');
  const element = make('canvas');
  element.setAttribute('role', 'img');
  byId('charts').append(make('div', 'chart', make('span', '', name), value, element));
  return { name, lines, text, value, element };
});

function drawCharts(): void {
  const colours = ['--accent', '--good', '--warn', '--bad'].map(cssVariable);
  const edge = cssVariable('--edge');
  for (const { name, lines, text, value, element } of charts) {
    const most = drawLines(element, model.history, lines(colours), edge);
    setText(value, `most ${text(most)}`);
    const label = `${name}: at most ${text(most)}`;
    if (element.ariaLabel !== label) element.ariaLabel = label;
  }
  const [first, last] = [model.history[0], model.history.at(-1)];
  const seconds = first === undefined || last === undefined ? 0 : Math.round((last.at - first.at) / 1000);
  setText(byId('span'), seconds < 120 ? `last ${seconds} s` : `last ${Math.round(seconds / 60)} min`);
  const [accent, good, , bad] = colours as [string, string, string, string];
  const marks = { info: accent, good, bad, edge, text: cssVariable('--dim') };
  drawTimeline(byId<HTMLCanvasElement>('line'), model.events, model.history, marks);
}

let eventsShown = '';

function drawEvents(): void {
  const newest = model.events.at(-1);
  const name = `${model.events.length} ${newest?.at} ${newest?.text}`;
  if (eventsShown === name) return;
  eventsShown = name;
  const rows = model.events
    .slice(-100)
    .reverse()
    .map(({ at, kind, severity, node, text }) => {
      const time = make('time', '', new Date(at).toLocaleTimeString([], { hour12: false }));
      const title = make('span', 'kind', node === '' ? kind : `${kind} · ${node}`);
      return make('li', severity, time, title, make('span', 'what', text));
    });
  byId('events').replaceChildren(...(rows.length > 0 ? rows : [make('li', 'empty', 'Nothing has happened yet')]));
}

function bar(name: string, share: number, text: string): HTMLElement {
  const fill = make('i');
  fill.style.width = `${Math.min(100, share * 100)}%`;
  return make('div', '', make('span', '', name), make('span', 'bar', fill), make('span', '', text));
}

function drawHot({ hot }: Frame): void {
  const most = Math.max(1e-9, ...hot.map(({ busy }) => busy));
  const rows = hot.slice(0, 8).map(({ slot, busy, bytesPerSecond }) => {
    return bar(String(slot), busy / most, `${shareText(busy)} · ${bytesText(bytesPerSecond)}/s`);
  });
  const none = model.hasHeat
    ? 'No slot is busy'
    : 'Needs SLOT-STATS: Valkey 8 or later with cluster-slot-stats-enabled';
  show('hot', rows, none);
}

function drawMoves({ moves, open }: Frame): void {
  const rows = moves.slice(0, 20).map(({ slot, from, to, state, done, total }) => {
    return bar(`${slot}: ${from} → ${to}`, total === 0 ? Number(state === 'done') : done / total, state);
  });
  const foreign = open
    .filter(({ slot, state }) => state === 'migrating' && !moves.some((move) => move.slot === slot))
    .slice(0, 20)
    .map(({ slot, node, peer }) => bar(`${slot}: ${node} → ${peer}`, 0.5, 'open'));
  show('moves', [...rows, ...foreign], 'No slot is moving');
}

function show(id: string, rows: HTMLElement[], none: string): void {
  byId(id).replaceChildren(rows.length > 0 ? make('div', 'bars', ...rows) : make('p', 'empty', none));
}

let legendShown = '';

function drawLegend(): void {
  const owners = model.masters;
  const name = owners.map(({ address, slots }) => `${address} ${slots}`).join();
  if (legendShown === name) return;
  legendShown = name;
  const entries = owners.slice(0, 40).map((node) => {
    const swatch = make('i', 'swatch');
    swatch.style.background = cssOf(model.colourOf(node));
    return make('li', '', swatch, `${node.address} ${countText(node.slots)}`);
  });
  if (owners.length > 40) entries.push(make('li', '', `and ${owners.length - 40} more`));
  byId('legend').replaceChildren(...entries);
}

function showSlot(): void {
  const slot = canvas.cursor;
  if (slot === undefined) return;
  const owner = model.ownerOf(slot);
  const parts: (Node | string)[] = [make('b', '', `Slot ${slot}`), owner?.address ?? 'belongs to nobody'];
  const open = model.frame?.open.find((one) => one.slot === slot);
  const hot = model.frame?.hot.find((one) => one.slot === slot);
  if (open !== undefined) parts.push(`${open.state}, other end ${open.peer}`);
  if (hot !== undefined) parts.push(`${countText(hot.keys)} keys, ${shareText(hot.busy)} busy`);
  if (model.operate && owner !== undefined) {
    const move = make('button', '', 'Move');
    move.type = 'button';
    move.addEventListener('click', () => void moveSlot(slot, owner));
    parts.push(move);
  }
  byId('slot').replaceChildren(...parts.map((part) => (typeof part === 'string' ? make('span', '', part) : part)));
}

// What changes the cluster, each after a question.

function ask(title: string, text: string, targets: readonly NodeRow[] = []): Promise<string | undefined> {
  setText(byId('confirm-title'), title);
  setText(byId('confirm-text'), text);
  byId('confirm-target').hidden = targets.length === 0;
  const select = byId<HTMLSelectElement>('targets');
  select.replaceChildren(
    ...targets.map(({ id, address }) => {
      const option = make('option', '', address);
      option.value = id;
      return option;
    }),
  );
  const dialog = byId<HTMLDialogElement>('confirm');
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes' ? select.value : undefined), {
      once: true,
    });
  });
}

async function failover(node: NodeRow): Promise<void> {
  const master = model.frame?.nodes.find(({ id }) => id === node.shard)?.address ?? 'its master';
  const text = `${node.address} takes over from ${master}. Clients are redirected; writes wait for a moment.`;
  if ((await ask(`Fail over to ${node.address}?`, text)) === undefined) return;
  await act(`Failover to ${node.address} begun`, '/api/failover', { node: node.id });
}

async function moveSlot(slot: number, owner: NodeRow): Promise<void> {
  const targets = model.masters.filter(({ id }) => id !== owner.id);
  if (targets.length === 0) return toast('There is no other master');
  const target = await ask(`Move slot ${slot}?`, `Its keys go from ${owner.address} to the node chosen here.`, targets);
  if (target !== undefined) await act(`Slot ${slot} is moving`, '/api/move', { slot, target });
}

async function act(done: string, path: string, body: unknown): Promise<void> {
  try {
    await connection.post(path, body);
    toast(done);
  } catch (error) {
    toast((error as Error).message);
  }
}

let toastTimer = 0;

function toast(text: string): void {
  setText(byId('toast'), text);
  byId('toast').hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    byId('toast').hidden = true;
  }, 5000);
}

// Drawing: at most once a frame, and only what is dirty.

function draw(now: number): void {
  requestAnimationFrame(draw);
  const late = performance.now() - heardAt > Math.max(5000, 5 * model.intervalMs);
  byId('stale').hidden = !paused && !late;
  setText(byId('stale'), paused ? 'paused' : `no news for ${Math.round((performance.now() - heardAt) / 1000)} s`);
  // What only pulses is drawn some fifteen times a second.
  if (dirty || (canvas.alive && now - mapDrawnAt > 66)) {
    mapDrawnAt = now;
    canvas.draw(now);
  }
  if (!dirty) return;
  dirty = false;
  drawHealth();
  drawCharts();
  drawEvents();
  const { frame } = model;
  if (frame === undefined) return;
  drawTiles(frame);
  drawLegend();
  drawHot(frame);
  drawMoves(frame);
  table.draw();
}

// Controls.

const pause = byId('pause');
pause.addEventListener('click', () => {
  paused = !paused;
  pause.setAttribute('aria-pressed', String(paused));
  redraw();
});

const themes = ['auto', 'light', 'dark'] as const;
let theme = 0;
const themeButton = byId('theme');

function setTheme(next: number): void {
  theme = next < 0 ? 0 : next % themes.length;
  const name = themes[theme]!;
  if (name === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = name;
  setText(themeButton, name[0]!.toUpperCase() + name.slice(1));
  themeButton.ariaLabel = `Colours: ${name === 'auto' ? 'as the system has them' : name}`;
  localStorage.setItem('lingcache theme', name);
  redraw();
}
themeButton.addEventListener('click', () => setTheme(theme + 1));
setTheme(themes.indexOf((localStorage.getItem('lingcache theme') ?? 'auto') as (typeof themes)[number]));

for (const input of document.querySelectorAll<HTMLInputElement>('input[name=mode]'))
  input.addEventListener('change', () => {
    canvas.mode = input.value as MapMode;
    redraw();
  });

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
addEventListener('resize', redraw);
requestAnimationFrame(draw);
void stayConnected();
