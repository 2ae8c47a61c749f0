// Rules of users: what they print as, that a mistake changes nothing, and what is allowed.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { Acl, losesChannels } from '../../../../server/acl/acl.ts';
import { allEntries, categoryNames } from '../../../../server/acl/catalog.ts';
import { checkCall } from '../../../../server/acl/check.ts';
import type { User, UserRules } from '../../../../server/acl/user.ts';
import { randomRules } from '../../../kit/acl-rules.ts';

const quiet = { onChange: () => undefined, onDelete: () => undefined };

function acl(): Acl {
  return new Acl(() => false, quiet);
}

/** The user that these rules make; a mistake throws. */
function made(...rules: string[]): User {
  const users = acl();
  const why = users.set('u', rules);
  if (why !== undefined) throw new Error(why);
  return users.get('u')!;
}

describe('rules of a user', () => {
  it('print as rules that make the same user again', () => {
    const seed = Math.floor(Math.random() * 1e9);
    const world = new ManualWorld({ seed });
    const users = acl();
    let accepted = 0;
    for (let round = 0; round < 1500; round++) {
      if (users.set('a', randomRules(world)) !== undefined) continue;
      accepted++;
      const printed = users.get('a')!.rules.print();
      // What patterns may be empty, words are not.
      const again = new Acl(() => false, quiet);
      assert.equal(again.set('a', printed.split(' ')), undefined, `seed ${seed}: ${printed}`);
      assert.equal(again.get('a')!.rules.print(), printed, `seed ${seed}`);
    }
    assert.ok(accepted > 150, `seed ${seed}: ${accepted}`);
  });

  it('name each category by itself, from nothing and from everything', () => {
    for (const name of categoryNames) {
      assert.equal(made(`+@${name}`).rules.selectors[0]!.printCommands(), `-@all +@${name}`);
      assert.equal(made('+@all', `-@${name}`).rules.selectors[0]!.printCommands(), `+@all -@${name}`);
    }
  });

  it('with a mistake change nothing, whatever came before it', () => {
    const seed = Math.floor(Math.random() * 1e9);
    const world = new ManualWorld({ seed });
    const users = acl();
    users.set('a', ['on', '>pw', '~a*', '&b', '+get', '(~c +set)']);
    const before = users.get('a')!.rules.print();
    for (let round = 0; round < 300; round++) {
      assert.notEqual(users.set('a', [...randomRules(world), 'no-such-word']), undefined);
      assert.equal(users.get('a')!.rules.print(), before, `seed ${seed}`);
      assert.notEqual(users.set('b', [...randomRules(world), '(']), undefined);
      assert.equal(users.get('b'), undefined);
    }
  });

  it('are unlimited as soon as one selector allows everything, and not before', () => {
    assert.equal(made('+@all', '~*').limited, true);
    assert.equal(made('+@all', '~*', '&*').limited, false);
    assert.equal(made('+@all', '~*', '&*', '-get').limited, true);
    assert.equal(made('+@all', '~*', '&*', '-get', '+get').limited, false);
    assert.equal(made('-@all', '(+@all ~* &*)').limited, false);
  });

  it('keep passwords as hashes only', () => {
    assert.doesNotMatch(made('>tellnobody', '<tellnobody', '>tellnobody').rules.print(), /tellnobody/);
  });

  it('let nobody in without one of the passwords, and nobody at all while off', () => {
    const users = acl();
    users.set('a', ['>one', '>two']);
    assert.equal(users.authenticate('a', 'one'), undefined);
    users.set('a', ['on']);
    assert.equal(users.authenticate('a', 'one')?.name, 'a');
    assert.equal(users.authenticate('a', 'two')?.name, 'a');
    for (const wrong of ['', 'on', 'one ', 'one\0', 'ONE', 'x'.repeat(100_000)]) {
      assert.equal(users.authenticate('a', wrong), undefined, wrong);
    }
    users.set('a', ['resetpass']);
    assert.equal(users.authenticate('a', ''), undefined);
    assert.equal(users.authenticate('nobody', ''), undefined);
    users.set('a', ['nopass']);
    assert.equal(users.authenticate('a', 'anything')?.name, 'a');
  });

  it('cover every command with a category that is fast or slow', () => {
    const both = new Set(['fast', 'slow'].map((name) => 1 << categoryNames.indexOf(name)));
    for (const { name, categories } of allEntries()) {
      assert.equal([...both].filter((bit) => (categories & bit) !== 0).length, 1, name);
    }
  });
});

describe('a call under rules', () => {
  const denied = (user: User, keys: readonly [at: number, permission: number][], ...argv: string[]): unknown => {
    const call = {
      name: argv[0]!,
      argv,
      everybody: argv[0] === 'auth',
      keys: () => keys.map(([at, permission]) => ({ at, permission })),
    };
    const denial = checkCall(user, call);
    return denial && `${denial.reason} ${denial.at}`;
  };

  it('needs one selector that allows all of it', () => {
    const user = made('(+get ~a)', '(+mget ~b %R~c)');
    assert.equal(denied(user, [[1, 1]], 'get', 'a'), undefined);
    assert.equal(denied(user, [[1, 1]], 'get', 'b'), 'key 1');
    assert.equal(
      denied(
        user,
        [
          [1, 1],
          [2, 1],
        ],
        'mget',
        'b',
        'c',
      ),
      undefined,
    );
    assert.equal(
      denied(
        user,
        [
          [1, 1],
          [2, 1],
        ],
        'mget',
        'b',
        'a',
      ),
      'key 2',
    );
    assert.equal(
      denied(
        user,
        [
          [1, 3],
          [2, 1],
        ],
        'mget',
        'b',
        'c',
      ),
      undefined,
    );
    assert.equal(
      denied(
        user,
        [
          [1, 1],
          [2, 3],
        ],
        'mget',
        'b',
        'c',
      ),
      'key 2',
    );
    assert.equal(denied(user, [], 'del', 'a'), 'command 0');
    assert.equal(denied(user, [], 'auth', 'x'), undefined);
  });

  it('reports what the nearest selector refused', () => {
    const user = made('+mget', '~a', '(+mget ~a ~b)', '(+set ~c)');
    assert.equal(
      denied(
        user,
        [
          [1, 1],
          [2, 1],
          [3, 1],
        ],
        'mget',
        'a',
        'b',
        'c',
      ),
      'key 3',
    );
  });

  it('looks at channels, patterns letter by letter', () => {
    const user = made('+@pubsub', '&a', '&b*');
    assert.equal(denied(user, [], 'subscribe', 'a', 'b1'), undefined);
    assert.equal(denied(user, [], 'subscribe', 'a', 'c'), 'channel 2');
    assert.equal(denied(user, [], 'psubscribe', 'b*'), undefined);
    assert.equal(denied(user, [], 'psubscribe', 'b1'), 'channel 1');
    assert.equal(denied(user, [], 'publish', 'b1', 'c'), undefined);
    assert.equal(denied(user, [], 'unsubscribe', 'c'), undefined);
  });

  it('with patterns as long as they like takes no stack and no time to speak of', () => {
    const long = 'a'.repeat(300_000);
    const user = made('+get', `~${long}`, `~${'*a'.repeat(2000)}b`);
    assert.equal(denied(user, [[1, 1]], 'get', long), undefined);
    assert.equal(denied(user, [[1, 1]], 'get', 'a'.repeat(5000)), 'key 1');
  });
});

describe('the channels of a user', () => {
  const rules = (...words: string[]): UserRules => made(...words).rules;

  it('are lost when a pattern is gone that was there, and not when everything is allowed', () => {
    assert.equal(losesChannels(rules('&a', '&b'), rules('&a', '&b', '&c')), false);
    assert.equal(losesChannels(rules('&a', '&b'), rules('&a')), true);
    assert.equal(losesChannels(rules('&*'), rules('&a')), true);
    assert.equal(losesChannels(rules('&a'), rules('&*')), false);
    assert.equal(losesChannels(rules('&a'), rules('(&a)')), false);
    assert.equal(losesChannels(rules('(&a)', '&b'), rules('&b')), true);
  });
});

describe('a file of users', () => {
  it('makes the users that it was printed of, and drops the others', () => {
    const [from, gone] = [acl(), [] as string[]];
    from.set('a', ['on', '>p', '+@all']);
    from.set('b', ['~x', '(+get ~y)']);
    const to = new Acl(() => true, { ...quiet, onDelete: (user) => gone.push(user.name) });
    to.set('a', ['+@all']);
    to.set('c', []);
    assert.equal(to.load(from.print(), 'f'), undefined);
    assert.deepEqual(to.definitions(), from.definitions());
    assert.deepEqual(gone, ['a', 'c']);
  });

  it('without the default user makes that one what it was at first, and keeps its object', () => {
    const users = acl();
    const before = users.default;
    users.set('default', ['off', '-@all']);
    assert.equal(users.needsAuth, true);
    assert.equal(users.load('', 'f'), undefined);
    assert.equal(users.default, before);
    assert.deepEqual(users.definitions(), ['user default on nopass ~* &* +@all']);
    assert.equal(users.needsAuth, false);
  });
});
