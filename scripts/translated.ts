// npm run translated -- PAGE ...: notes that these pages below docs/zh say what the English ones say now, for example
// questions.md. Without a page it lists the sections that do not.

import { markTranslated, outdatedIn, translatedPages } from './docs/translations.ts';

const pages = process.argv.slice(2);
for (const page of pages) markTranslated(page.replace(/^docs\/zh\//, ''));
const outdated = translatedPages().flatMap(outdatedIn);
for (const line of outdated) console.log(line);
process.exitCode = outdated.length > 0 ? 1 : 0;
