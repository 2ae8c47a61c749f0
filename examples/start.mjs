// `npm run example -- NAME`: runs one of the compiled examples; without a name it lists them.
import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('.', import.meta.url);
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3));
const [name] = process.argv.slice(2);
if (name !== undefined && names.includes(name)) await import(`../build/examples/${name}.js`);
else {
  console.log('npm run example -- NAME, one of:');
  for (const each of names) {
    const [first] = readFileSync(new URL(`${each}.ts`, folder), 'utf8').split('\n');
    console.log(`  ${each.padEnd(16)}${first.slice(3)}`);
  }
  process.exitCode = name === undefined ? 0 : 2;
}
