// Makes the dashboard's page: one file with its script and style in it, so that it needs nothing from anywhere.
// Run by bundle.js, after tsc has compiled web/ to build-web/.

import { readFileSync, writeFileSync } from 'node:fs';
import { rollup } from 'rollup';
import { minify } from 'terser';

/** `target`: the file to write. */
export async function writePage(target) {
  const built = await rollup({ input: 'build-web/web/main.js' });
  const { output } = await built.generate({ format: 'iife', generatedCode: { constBindings: true } });
  await built.close();
  const { code } = await minify(output[0].code, { ecma: 2020, compress: { passes: 2 }, mangle: true });
  const style = readFileSync('web/page.css', 'utf8')
    .replaceAll(/\s*\n\s*/g, '\n')
    .trim();
  if (/<\/(?:script|style)/i.test(code + style)) throw new Error('the page would end its own script');
  const page = readFileSync('web/page.html', 'utf8')
    .replace('<!--style-->', () => `<style>${style}</style>`)
    .replace('<!--script-->', () => `<script>${code}</script>`);
  writeFileSync(target, page);
}
