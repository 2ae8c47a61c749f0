import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ListValue } from '../../../../../server/keyspace/types/list.ts';

type Step = (list: ListValue, model: string[]) => void;

const item = fc.constantFrom('a', 'b', 'c', 'd');
const step: fc.Arbitrary<Step> = fc.oneof(
  item.map(
    (text): Step =>
      (list, model) => {
        list.pushHead(text);
        model.unshift(text);
      },
  ),
  fc.array(item, { maxLength: 20 }).map(
    (texts): Step =>
      (list, model) => {
        for (const text of texts) list.pushTail(text);
        model.push(...texts);
      },
  ),
  fc.constant<Step>((list, model) => assert.equal(list.popHead(), model.shift())),
  fc.constant<Step>((list, model) => assert.equal(list.popTail(), model.pop())),
  fc.tuple(fc.nat(), item).map(
    ([at, text]): Step =>
      (list, model) => {
        const index = at % (model.length + 1);
        list.insert(index, text);
        model.splice(index, 0, text);
      },
  ),
  fc.tuple(item, fc.integer({ min: -3, max: 3 })).map(
    ([text, count]): Step =>
      (list, model) => {
        const matches = model.flatMap((other, at) => (other === text ? [at] : []));
        if (count < 0) matches.reverse();
        const gone = new Set(count === 0 ? matches : matches.slice(0, Math.abs(count)));
        assert.equal(list.removeEqual(text, count), gone.size);
        model.splice(0, model.length, ...model.filter((_, at) => !gone.has(at)));
      },
  ),
  fc.tuple(fc.nat(), fc.nat()).map(
    ([one, two]): Step =>
      (list, model) => {
        if (model.length === 0) return;
        const [start, stop] = [one % model.length, two % model.length].sort((a, b) => a - b) as [number, number];
        assert.deepEqual(list.slice(start, stop), model.slice(start, stop + 1));
        list.trim(start, stop);
        model.splice(0, model.length, ...model.slice(start, stop + 1));
      },
  ),
);

describe('ListValue', () => {
  it('does what an array does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const list = new ListValue();
        const model: string[] = [];
        for (const run of steps) {
          run(list, model);
          assert.deepEqual([...list], model);
          assert.equal(list.size, model.length);
          for (let at = 0; at < model.length; at += 1) assert.equal(list.at(at), model[at]);
          assert.equal(list.at(model.length), undefined);
          assert.equal(list.at(-1), undefined);
        }
      }),
    );
  });

  it('clones deeply', () => {
    const list = ListValue.from(['a', 'b']);
    const copy = list.clone();
    list.pushTail('c');
    copy.set(0, 'z');
    assert.deepEqual([...list], ['a', 'b', 'c']);
    assert.deepEqual([...copy], ['z', 'b']);
  });
});
