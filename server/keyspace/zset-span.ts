// Which part of a sorted set a range means: by score or by member bytes, found in O(log n).
// Invariant: a span is a run of ranks [start, stop) in ascending order.

import { fail } from './arguments.ts';
import { parseLooseDouble } from './number.ts';
import type { Scored, ZsetValue } from './types/zset.ts';

export interface Span {
  readonly start: number;
  /** Exclusive. */
  readonly stop: number;
}

/** Turns a sorted set into the span of it. */
export type Spanner = (zset: ZsetValue) => Span;

const nothing: Span = { start: 0, stop: 0 };

interface ScoreBound {
  readonly score: number;
  readonly exclusive: boolean;
}

function readScoreBound(text: string): ScoreBound {
  const exclusive = text.startsWith('(');
  const number = (exclusive ? text.slice(1) : text).trimStart();
  const score = number === '' ? 0 : parseLooseDouble(number);
  if (score === undefined) fail('min or max is not a float');
  return { score, exclusive };
}

export function scoreSpanner(minText: string, maxText: string): Spanner {
  const min = readScoreBound(minText);
  const max = readScoreBound(maxText);
  const atMin = (pair: Scored): boolean => (min.exclusive ? pair.score > min.score : pair.score >= min.score);
  const pastMax = (pair: Scored): boolean => (max.exclusive ? pair.score >= max.score : pair.score > max.score);
  const empty = min.score > max.score || (min.score === max.score && (min.exclusive || max.exclusive));
  return (zset) => (empty ? nothing : { start: zset.countBefore(atMin), stop: zset.countBefore(pastMax) });
}

interface LexBound {
  /** '-' and '+' lie before and after every member. */
  readonly infinite: -1 | 0 | 1;
  readonly member: string;
  readonly exclusive: boolean;
}

function readLexBound(text: string): LexBound {
  if (text === '-') return { infinite: -1, member: '', exclusive: false };
  if (text === '+') return { infinite: 1, member: '', exclusive: false };
  const mark = text[0];
  if (mark !== '(' && mark !== '[') fail('min or max not valid string range item');
  return { infinite: 0, member: text.slice(1), exclusive: mark === '(' };
}

function compareBounds(a: LexBound, b: LexBound): number {
  if (a.infinite !== b.infinite) return a.infinite - b.infinite;
  return a.member < b.member ? -1 : a.member > b.member ? 1 : 0;
}

export function lexSpanner(minText: string, maxText: string): Spanner {
  const min = readLexBound(minText);
  const max = readLexBound(maxText);
  const order = compareBounds(min, max);
  if (order > 0 || (order === 0 && (min.exclusive || max.exclusive))) return () => nothing;
  const atMin = (pair: Scored): boolean => {
    if (min.infinite !== 0) return min.infinite < 0;
    return min.exclusive ? pair.member > min.member : pair.member >= min.member;
  };
  const pastMax = (pair: Scored): boolean => {
    if (max.infinite !== 0) return max.infinite < 0;
    return max.exclusive ? pair.member >= max.member : pair.member > max.member;
  };
  return (zset) => {
    const start = zset.countBefore(atMin);
    return { start, stop: Math.max(start, zset.countBefore(pastMax)) };
  };
}
