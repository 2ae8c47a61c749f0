// Each row of the troubleshooting page: its symptom is produced, the user gets the words that the page shows, and what the
// page advises helps.

import assert from 'node:assert/strict';
import { readPage } from '../../scripts/docs/pages.ts';
import { startAhead } from './ahead.ts';
import { connecting } from './symptoms/connecting.ts';
import { type Produce, Ward } from './symptoms/kit.ts';
import { load } from './symptoms/load.ts';

const produced: Readonly<Record<string, Produce>> = { ...connecting, ...load };
const symptoms = readPage('docs/guides/troubleshooting.md')
  .prose.filter((line) => line.startsWith('| ') && !/^\| (?:symptom|---)/.test(line))
  .map((line) => line.split(' | ')[0]!.slice(2));

const rowOf = (name: string): string | undefined => symptoms.find((symptom) => symptom.startsWith(name));

/** What the page quotes of error texts in a symptom: in quotes, as code, or words in capitals. */
function quotesIn(symptom: string): string[] {
  return [...symptom.matchAll(/`([^`]+)`|"([^"]+)"|\b([A-Z]{5,})\b/g)].map(
    ([, code, text, word]) => code ?? text ?? word!,
  );
}

describe('docs: troubleshooting', function () {
  this.timeout(60_000);
  let ahead: ReadonlyMap<string, Promise<unknown>>;

  before(() => {
    ahead = startAhead(new Map(Object.entries(produced).map(([name, produce]) => [name, () => play(produce)])), 4);
  });

  it('has a row for each symptom here, and each row is produced here', () => {
    assert.deepEqual(
      Object.keys(produced).filter((name) => rowOf(name) === undefined),
      [],
    );
    assert.deepEqual(
      symptoms.filter((row) => !Object.keys(produced).some((name) => row.startsWith(name))),
      [],
    );
    assert.equal(Object.keys(produced).length, symptoms.length);
  });

  for (const name of Object.keys(produced)) {
    it(name, async () => {
      const said = String(await ahead.get(name));
      for (const quote of quotesIn(rowOf(name)!)) assert.ok(said.includes(quote), `"${quote}" is not in: ${said}`);
    });
  }
});

async function play(produce: Produce): Promise<string> {
  const ward = new Ward();
  try {
    return await produce(ward);
  } finally {
    await ward.close();
  }
}
