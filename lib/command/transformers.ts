// Argument and reply transformers that users set, as ioredis has them: process-wide, by command name in lower case.
// They run before (arguments) and instead of (replies) what argv.ts and reply-shape.ts do.

export type ArgumentTransformer = (args: unknown[]) => unknown[];

/** What a reply transformer may want to know of where the reply comes from. */
export interface ReplyContext {
  readonly commandName: string;
  /** As the client asks for it; a server too old for RESP3 speaks RESP2 all the same. */
  readonly protocol: 2 | 3;
  readonly replyMapping: 'legacy' | 'resp3';
}

export type ReplyTransformer = (reply: unknown, context: ReplyContext) => unknown;

const ofArguments = new Map<string, ArgumentTransformer>();
const ofReplies = new Map<string, ReplyTransformer>();

/** undefined takes it away again. */
export function setArgumentTransformer(name: string, transform: ArgumentTransformer | undefined): void {
  set(ofArguments, name, transform);
}

/** undefined takes it away again; what lingcache does by itself is back then. */
export function setReplyTransformer(name: string, transform: ReplyTransformer | undefined): void {
  set(ofReplies, name, transform);
}

function set<T>(transformers: Map<string, T>, name: string, transform: T | undefined): void {
  if (transform === undefined) transformers.delete(name);
  else if (typeof transform === 'function') transformers.set(name, transform);
  else throw new TypeError('A transformer must be a function');
}

/** The argv of a command as the transformer of its arguments makes them; untouched without one. */
export function transformArguments(name: string, argv: unknown[]): unknown[] {
  const transform = ofArguments.size === 0 ? undefined : ofArguments.get(name);
  return transform === undefined ? argv : [argv[0], ...transform(argv.slice(1).flat())];
}

export function argumentTransformerOf(name: string): ArgumentTransformer | undefined {
  return ofArguments.get(name);
}

export function replyTransformerOf(name: string): ReplyTransformer | undefined {
  return ofReplies.size === 0 ? undefined : ofReplies.get(name);
}
