// Every command that the questions and the principles show of a terminal is run in a shell, and prints what is shown:
// with kills, restarts, partitions and moves where the page has them. Each question has a proof that is run.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { type Block, pagePaths, readPage } from '../../scripts/docs/pages.ts';
import { missingRedisServer } from '../kit/real-cluster.ts';
import { findServer } from '../kit/servers.ts';
import { startAhead } from './ahead.ts';
import { illustrations, type Part, type Scene, scenes } from './proofs/scenes.ts';
import { Stage } from './proofs/stage.ts';
import { differenceOf, onlyAsks, type Shown, shownIn } from './proofs/transcript.ts';

/** Elections, restarts and gossip take their time, on a busy machine more of it. */
const [mostTries, pauseMs] = [150, 200];

interface Place {
  readonly where: string;
  readonly block: Block;
}

/** Blocks by page, heading and number below it. */
function placesOf(path: string): Place[] {
  const page = readPage(path);
  const counts = new Map<string, number>();
  return page.blocks.map((block) => {
    const heading = page.prose
      .slice(0, block.line)
      .findLast((line) => /^#{2,3} /.test(line))!
      .replace(/^#+ /, '');
    const name = `${path.replace(/^docs\/|\.md$/g, '')}#${heading}`;
    const count = (counts.get(`${name} ${block.language}`) ?? 0) + 1;
    counts.set(`${name} ${block.language}`, count);
    return { where: count === 1 ? name : `${name}#${count}`, block };
  });
}

const paths = pagePaths().filter((path) => /^docs\/(?:principles\/|questions)/.test(path));
const places = paths.flatMap(placesOf).filter(({ block }) => block.language === 'console');
const placeOf = ({ where }: Part): Place | undefined =>
  places.find((place) => place.where === where) ??
  places.find((place) => place.where.startsWith(where) && !/#\d$/.test(place.where));
const staged = new Set(scenes.flatMap(({ parts }) => parts.map((part) => placeOf(part)?.where)));
const plain: Scene = {
  bundled: {},
  real: {},
  parts: places
    .filter(({ where }) => !staged.has(where) && !illustrations.includes(where))
    .map(({ where }) => ({ where })),
};
/**
 * Scenes with kills, restarts and elections take minutes one after another, and must not run beside other work: a node
 * that gets no processor for half a second has failed. `npm test` plays the one to which nothing happens.
 */
const played = process.env['PAGES'] === 'all' ? [plain, ...scenes] : [plain];

describe('docs: what the pages show of a terminal', function () {
  this.timeout(1_800_000);
  const missing = missingRedisServer();
  const outcomes = new Map<string, string>();
  let ahead: ReadonlyMap<Scene, Promise<unknown>>;

  before(() => {
    if (missing === undefined) ahead = startAhead(new Map(played.map((scene) => [scene, () => play(scene)])), 1);
  });

  it('each scene is of blocks that exist, and each once', () => {
    const named = scenes.flatMap(({ parts }) => parts);
    assert.deepEqual(
      named.filter((part) => placeOf(part) === undefined).map(({ where }) => where),
      [],
    );
    assert.equal(staged.size, named.length);
    for (const where of illustrations)
      assert.ok(
        places.some((place) => place.where === where),
        where,
      );
  });

  it('each question has a command or lines of code that are run', () => {
    const proved = new Set(
      placesOf('docs/questions.md')
        .filter(({ block }) => /^(?:ts|console)$/.test(block.language) && block.treatment === 'default')
        .map(({ where }) => where.replace(/#\d$/, '')),
    );
    const questions = [...readPage('docs/questions.md').text.matchAll(/^### (.*)$/gm)].map(([, title]) => title!);
    assert.deepEqual(
      questions.filter((title) => !proved.has(`questions#${title}`)),
      [],
    );
    assert.ok(questions.length >= 60);
  });

  for (const scene of played) {
    for (const part of scene.parts) {
      it(part.where, async function () {
        const needed =
          missing ?? (scene.valkey !== undefined && findServer('valkey-9') === undefined ? 'no Valkey 9' : undefined);
        if (needed !== undefined) {
          console.log(`      skipped: ${part.where} (${needed})`);
          this.skip();
        }
        await ahead.get(scene)!.catch((error: Error) => {
          if (!outcomes.has(part.where)) throw error;
        });
        assert.equal(outcomes.get(part.where), '');
      });
    }
  }

  /** Notes of each part what differs; a part that fails ends its scene, since the next ones go on from there. */
  async function play(scene: Scene): Promise<void> {
    const stage = await Stage.open(scene);
    try {
      if (scene === plain) await Promise.all([7002, 7102].map((port) => stage.ask(port, 'SET', 'foo', 'bar')));
      for (const part of scene.parts) {
        const difference = await playPart(stage, part).catch(
          (error: Error) => `${error.stack}\n${String(error.cause ?? '')}`,
        );
        outcomes.set(part.where, difference ?? '');
        if (difference !== undefined && scene !== plain) throw new Error(`the scene ended with ${part.where}`);
      }
    } finally {
      await stage.close();
    }
  }
});

async function playPart(stage: Stage, part: Part): Promise<string | undefined> {
  const shown = shownIn(placeOf(part)!.block);
  const printed: string[] = [];
  await part.before?.(stage);
  for (const [at, { command }] of shown.entries()) {
    await part.between?.[at]?.(stage);
    const aside = part.meanwhile?.[at]?.(stage);
    const difference = await playCommand(stage, shown, printed, command);
    await aside;
    if (difference !== undefined) return difference;
  }
  await part.after?.(stage);
  return undefined;
}

/** Adds what the command printed. A question is asked again for a while where the answer is another. */
async function playCommand(
  stage: Stage,
  shown: readonly Shown[],
  printed: string[],
  command: string,
): Promise<string | undefined> {
  const tries = command === '' || !onlyAsks(command) ? 1 : mostTries;
  let difference: string | undefined;
  for (let at = 0; at < tries; at++) {
    if (at > 0) await pause(pauseMs);
    const text = command === '' ? stage.shown : await stage.run(command);
    difference = differenceOf(shown, [...printed, text]);
    if (difference !== undefined) continue;
    printed.push(text);
    break;
  }
  return difference;
}
