// The page as one file: where it lies, and the policy that lets a browser run what is in it and nothing else.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

export interface Page {
  readonly html: string;
  /** Content-Security-Policy: the scripts and styles of this very file, by their hashes. */
  readonly policy: string;
}

/** Beside the code in the package; `npm run build` has put it into dist when single files are run. */
const places = ['cli-dashboard.html', '../../../../dist/cli-dashboard.html'];

/** Throws an Error where it was not built. */
export function loadPage(): Page {
  for (const place of places) {
    const url = new URL(place, import.meta.url);
    if (existsSync(url)) return pageOf(readFileSync(url, 'utf8'));
  }
  throw new Error('the page of the dashboard is missing: npm run build makes it');
}

function pageOf(html: string): Page {
  const hashes = (tag: string): string =>
    [...html.matchAll(new RegExp(`<${tag}(?: [^>]*)?>([\\s\\S]*?)</${tag}>`, 'g'))]
      .map(([, body]) => `'sha256-${createHash('sha256').update(body!).digest('base64')}'`)
      .join(' ');
  const policy = [
    "default-src 'none'",
    `script-src ${hashes('script')}`,
    `style-src ${hashes('style')}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return { html, policy };
}
