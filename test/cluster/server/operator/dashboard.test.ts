import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { Redis } from '../../../../lib/index.ts';
import { type BundledCluster, startCluster } from '../../../../server/index.ts';
import type { Frame, Hello } from '../../../../server/operator/dashboard/protocol.ts';
import { EventReader } from '../../../../web/model.ts';
import { until } from '../../../kit/until.ts';

/** Waits until `expression` holds in the page; Playwright's own waiting evaluates text there, which the page's policy forbids. */
function shown(page: Page, expression: string): Promise<unknown> {
  return until(expression, async () => (await page.evaluate(expression)) === true);
}

// `lingcache dashboard` as a program: token, policy, stream, and what --operate allows; then the page in a browser.

const main = new URL('../../../../server/tools/main.js', import.meta.url).pathname;

class Program {
  url = '';
  readonly child: ChildProcess;

  constructor(...args: string[]) {
    const line = [main, 'dashboard', ...args, '--port', '0', '--json'];
    this.child = spawn(process.execPath, line, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child.stdout!.on('data', (chunk: Buffer) => {
      this.url ||= (JSON.parse(chunk.toString()) as { url: string }).url;
    });
  }

  async ready(): Promise<this> {
    await until('the dashboard listens', () => this.url !== '');
    return this;
  }

  get base(): string {
    return this.url.replace(/\/#.*/, '');
  }

  get headers(): Record<string, string> {
    return { authorization: `Bearer ${this.url.replace(/.*#token=/, '')}` };
  }

  post(path: string, body: unknown, headers: Record<string, string> = this.headers): Promise<Response> {
    const type = { 'content-type': 'application/json' };
    return fetch(`${this.base}${path}`, {
      method: 'POST',
      headers: { ...type, ...headers },
      body: JSON.stringify(body),
    });
  }

  /** Reads the stream until `enough` says so; gives what `enough` gives. */
  async events<T>(enough: (event: string, data: unknown) => T | undefined): Promise<T> {
    const stop = new AbortController();
    const response = await fetch(`${this.base}/api/events`, { headers: this.headers, signal: stop.signal });
    assert.equal(response.status, 200);
    const reader = new EventReader();
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
        for (const { event, data } of reader.feed(decoder.decode(chunk, { stream: true }))) {
          const found = enough(event, JSON.parse(data));
          if (found !== undefined) return found;
        }
      throw new Error('the stream ended');
    } finally {
      stop.abort();
    }
  }

  async stop(): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    const ended = new Promise<number | null>((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGINT');
    return ended;
  }
}

/** With a Host header of one's choice, which fetch does not allow. */
function statusFor(base: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`${base}/`, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

const chromium = [
  process.env['LINGCACHE_CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== '' && existsSync(path));

describe('lingcache dashboard', function () {
  this.timeout(120_000);
  let cluster: BundledCluster;
  let address: string;
  let shows: Program;
  let operates: Program;

  before(async () => {
    cluster = await startCluster({ masters: 3, replicas: 1 });
    address = `127.0.0.1:${cluster.ports[0]}`;
    const client = new Redis.Cluster([{ host: '127.0.0.1', port: cluster.ports[0]! }]);
    for (let at = 0; at < 50; at++) await client.set(`key:${at}`, 'value');
    client.disconnect();
    shows = await new Program(address, '--interval', '200ms').ready();
    operates = await new Program(address, '--operate', '--interval', '200ms').ready();
  });
  after(async () => {
    await Promise.all([shows?.stop(), operates?.stop()]);
    await cluster?.close();
  });

  it('the page is one file with a policy of its own, and holds no figures', async () => {
    const response = await fetch(shows.base);
    const policy = response.headers.get('content-security-policy')!;
    assert.match(policy, /default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self'/);
    assert.doesNotMatch(policy, /unsafe/);
    const html = await response.text();
    assert.doesNotMatch(html, /(?:src|href)="?https?:|@import|url\(\s*["']?http/);
    assert.ok(html.length < 100_000);
    assert.ok(!html.includes(cluster.nodes[0]!.id));
    assert.equal(response.headers.get('x-frame-options'), 'DENY');
  });

  it('without the token, or as another name, nothing is shown', async () => {
    const get = async (headers: Record<string, string>) =>
      (await fetch(`${shows.base}/api/events`, { headers })).status;
    assert.equal(await get({}), 401);
    assert.equal(await get({ authorization: 'Bearer wrong' }), 401);
    assert.equal(await get({ authorization: operates.headers['authorization']! }), 401);
    assert.equal(await statusFor(shows.base, 'evil.example:80'), 421);
    assert.equal((await fetch(`${shows.base}/other`)).status, 404);
    assert.equal((await operates.post('/api/failover', {}, {})).status, 401);
  });

  it('the stream begins with what was, and goes on with frames', async () => {
    const hello = await shows.events((event, data) => (event === 'hello' ? (data as Hello) : undefined));
    assert.equal(hello.operate, false);
    let frames = 0;
    const frame = await shows.events((event, data) =>
      event === 'frame' && ++frames === 3 ? (data as Frame) : undefined,
    );
    assert.equal(frame.nodes.length, 6);
    assert.equal(frame.totals.keys, 50);
    assert.equal(
      frame.owners.reduce((sum, [start, end]) => sum + end - start + 1, 0),
      16_384,
    );
  });

  it('read-only unless --operate; bodies are checked', async () => {
    const replica = cluster.nodes.find(({ role }) => role === 'replica')!;
    assert.equal((await shows.post('/api/failover', { node: replica.id })).status, 403);
    assert.equal(replica.role, 'replica');
    for (const body of [{}, { node: 'x' }, { node: 'f'.repeat(40) }, []])
      assert.equal((await operates.post('/api/failover', body)).status, 400, JSON.stringify(body));
    assert.equal((await operates.post('/api/move', { slot: 16_384, target: replica.id })).status, 400);
    assert.equal((await operates.post('/api/move', { slot: 1, target: 'nobody' })).status, 400);
    assert.equal((await operates.post('/api/other', {})).status, 404);
    const plain = { ...operates.headers, 'content-type': 'text/plain' };
    assert.equal((await operates.post('/api/failover', { node: replica.id }, plain)).status, 400);
    assert.equal((await operates.post('/api/failover', { node: 'x'.repeat(20_000) })).status, 400);
  });

  it('--operate fails over and moves a slot, which shows in the stream', async () => {
    const master = cluster.nodes.find(({ role, slots }) => role === 'master' && slots[0]![0] === 0)!;
    const other = cluster.nodes.find(({ role, id }) => role === 'master' && id !== master.id)!;
    const moved = operates.events((event, data) =>
      event === 'frame' && (data as Frame).events.some(({ kind }) => kind === 'slots-moved') ? true : undefined,
    );
    assert.equal((await operates.post('/api/move', { slot: 5, target: other.id })).status, 202);
    assert.ok(await moved);
    const replica = cluster.nodes.find(({ role, masterId }) => role === 'replica' && masterId === master.id)!;
    const failed = shows.events((event, data) =>
      event === 'frame' ? (data as Frame).events.find(({ kind }) => kind === 'failover') : undefined,
    );
    assert.equal((await operates.post('/api/failover', { node: replica.id })).status, 202);
    assert.equal((await failed).node, `127.0.0.1:${replica.port}`);
    await until('the replica is master', () => replica.role === 'master');
  });

  describe(`in a browser${chromium === undefined ? ' (skipped: no chromium; LINGCACHE_CHROMIUM names one)' : ''}`, () => {
    let browser: Browser;

    before(async function () {
      if (chromium === undefined) return this.skip();
      const playwright = await import('playwright-core');
      browser = await playwright.chromium.launch({ executablePath: chromium, args: ['--no-sandbox'] });
    });
    after(() => browser?.close());

    const open = async (program: Program, width: number): Promise<{ page: Page; errors: string[] }> => {
      const page = await browser.newPage({ viewport: { width, height: 844 } });
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
      await page.goto(program.url);
      await page.waitForSelector('#health.ok', { timeout: 30_000 });
      return { page, errors };
    };

    it('shows the cluster, takes the token out of the address, and breaks no policy', async () => {
      const { page, errors } = await open(shows, 1440);
      assert.equal(new URL(page.url()).hash, '');
      await shown(page, "document.querySelectorAll('tbody tr.master').length === 3");
      assert.equal(await page.locator('button', { hasText: 'Fail over' }).filter({ visible: true }).count(), 0);
      // The map is drawn: it has several colours.
      const colours = await page.evaluate(`(() => {
        const map = document.querySelector('#map');
        const { data } = map.getContext('2d').getImageData(0, 0, map.width, map.height);
        const found = new Set();
        for (let at = 0; at < data.length; at += 400) found.add(data[at] + ' ' + data[at + 1] + ' ' + data[at + 2]);
        return found.size;
      })()`);
      assert.ok(Number(colours) >= 3, String(colours));
      await page.reload();
      await page.waitForSelector('#health.ok');
      assert.deepEqual(errors, []);
      await page.close();
    });

    it('works by keyboard: slots by arrow keys, sorting, filter, and a question before a failover', async () => {
      const { page, errors } = await open(operates, 1200);
      await page.focus('#map');
      for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
      await shown(page, "document.querySelector('#slot').textContent.startsWith('Slot 129')");
      await page.locator('th button', { hasText: 'Keys' }).press('Enter');
      await page.waitForSelector('th[aria-sort="descending"]');
      await page.fill('#filter', 'replica');
      await shown(page, "document.querySelector('#nodes-title').textContent === 'Nodes · 3 of 6'");
      await page.locator('td button').filter({ visible: true }).first().press('Enter');
      await page.waitForSelector('dialog[open]');
      await page.keyboard.press('Escape');
      await page.waitForSelector('dialog[open]', { state: 'detached' });
      assert.deepEqual(errors, []);
      await page.close();
    });

    it('fits a phone: nothing is wider than the screen', async () => {
      const { page, errors } = await open(shows, 360);
      const [wide, seen] = (await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')) as [
        number,
        number,
      ];
      assert.equal(wide, seen);
      assert.deepEqual(errors, []);
      await page.close();
    });

    it('says so when the dashboard has ended, and a wrong token is refused', async () => {
      const short = await new Program(address, '--interval', '200ms').ready();
      const { page } = await open(short, 1000);
      await short.stop();
      await page.waitForSelector('#health.lost', { timeout: 30_000 });
      const wrong = await browser.newPage();
      await wrong.goto(`${shows.base}/#token=wrong`);
      await shown(wrong, "document.querySelector('#problems').textContent.includes('token')");
      await page.close();
      await wrong.close();
    });
  });
});
