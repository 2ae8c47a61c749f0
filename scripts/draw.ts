// Writes the drawings of the learning pages to docs/drawings. Run: npm run draw. test/house/drawings.test.ts compares.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawings } from './drawings/pictures.ts';
import { root } from './gen/capture.ts';

const folder = join(root, 'docs/drawings');
mkdirSync(folder, { recursive: true });
for (const [name, text] of drawings()) writeFileSync(join(folder, name), text);
console.log(`${drawings().size} drawings written to docs/drawings`);
