// The stream of events from the server, and the requests to it. The token comes behind the # of the address, is taken
// out of it, and stays in this tab.

import { EventReader } from './model.ts';

const storeName = 'lingcache token';

export class Connection {
  readonly #token: string;

  constructor() {
    const given = /(?:^#|&)token=([\w-]+)/.exec(location.hash)?.[1];
    if (given !== undefined) {
      sessionStorage.setItem(storeName, given);
      history.replaceState(null, '', location.pathname);
    }
    this.#token = given ?? sessionStorage.getItem(storeName) ?? '';
  }

  get #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.#token}` };
  }

  /** Reads until the stream ends. Rejects with why. */
  async read(onEvent: (event: string, data: unknown) => void): Promise<void> {
    const response = await fetch('/api/events', { headers: this.#headers, cache: 'no-store' });
    if (response.status === 401) throw new Refused();
    if (!response.ok || response.body === null) throw new Error(await response.text());
    const reader = new EventReader();
    const decoder = new TextDecoder();
    const stream = response.body.getReader();
    for (;;) {
      const { done, value } = await stream.read();
      if (done) return;
      for (const { event, data } of reader.feed(decoder.decode(value, { stream: true })))
        onEvent(event, JSON.parse(data));
    }
  }

  /** Rejects with what the server says. */
  async post(path: string, body: unknown): Promise<void> {
    const headers = { ...this.#headers, 'content-type': 'application/json' };
    const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error((await response.text()).trim());
  }
}

/** The token is missing or of another run. */
export class Refused extends Error {
  constructor() {
    super('Open the address that lingcache dashboard has printed: it carries the token');
  }
}
