// What the package exports, read from the sources: declarations with their signatures and descriptions.
// Owns: the reading of TypeScript (by oxc-parser: typedoc and api-extractor do not read this compiler's version).
// Does not know: how it is printed.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

export interface Member {
  /** `name`, or the whole signature of what has no name. */
  readonly name: string;
  readonly kind: 'constructor' | 'method' | 'property' | 'accessor' | 'other';
  readonly signature: string;
  readonly doc: string;
}

export interface Declaration {
  /** As users import it. */
  readonly name: string;
  readonly kind: 'class' | 'interface' | 'type' | 'function' | 'const';
  readonly signature: string;
  readonly doc: string;
  readonly members: readonly Member[];
  /** From the root. */
  readonly file: string;
}

/** An entry of the package: `lingcache/server`, and what it exports by name. */
export interface Entry {
  readonly name: string;
  readonly file: string;
  readonly declarations: readonly Declaration[];
}

// biome-ignore lint/suspicious/noExplicitAny: nodes of a syntax tree, looked at by their types
type Node = any;

interface Source {
  readonly path: string;
  readonly text: string;
  readonly body: readonly Node[];
  readonly comments: readonly {
    readonly type: string;
    readonly value: string;
    readonly start: number;
    readonly end: number;
  }[];
}

const root: string = fileURLToPath(new URL('../../../', import.meta.url));
const sources = new Map<string, Source>();

function read(path: string): Source {
  let source = sources.get(path);
  if (source === undefined) {
    const text = readFileSync(join(root, path), 'utf8');
    const { program, comments, errors } = parseSync(path, text);
    if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
    source = { path, text, body: program.body, comments };
    sources.set(path, source);
  }
  return source;
}

/** The source file of an entry of package.json's `exports`. */
function fileOf(entry: string): string {
  const name = entry.replace(/^\.\/?/, '');
  const candidates =
    name === ''
      ? ['lib/index.ts']
      : [
          `lib/${name}/${name}.ts`,
          `server/${name}/index.ts`,
          `server/${name}/${name}.ts`,
          `${name}/index.ts`,
          `server/${name}.ts`,
        ];
  const found = candidates.find((path) => existsSync(join(root, path)));
  if (found === undefined)
    throw new Error(`no source file for the entry ${entry}; looked for ${candidates.join(', ')}`);
  return found;
}

export function readEntries(): Entry[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object };
  return (
    Object.keys(exports)
      // What stands below built/ are other names for the same, for those who know ioredis's.
      .filter((entry) => entry !== './package.json' && !entry.startsWith('./built'))
      .map((entry) => {
        const file = fileOf(entry);
        const names = exportedNames(file);
        const declarations = [...names].flatMap(([name, [path, local]]) => declarationsOf(path, local, name));
        return { name: `lingcache${entry.slice(1)}`, file, declarations: declarations.sort(byName) };
      })
  );
}

const byName = (one: { readonly name: string }, other: { readonly name: string }): number =>
  one.name < other.name ? -1 : Number(one.name > other.name);

/** Exported name -> the file that declares it, and its name there. */
function exportedNames(path: string): Map<string, readonly [string, string]> {
  const names = new Map<string, readonly [string, string]>();
  for (const node of read(path).body) {
    if (node.type === 'ExportAllDeclaration') {
      for (const [name, place] of exportedNames(relative(path, node.source.value))) names.set(name, place);
    }
    if (node.type !== 'ExportNamedDeclaration') continue;
    for (const { local, exported } of node.specifiers) {
      const place =
        node.source === null
          ? ([path, local.name] as const)
          : ([relative(path, node.source.value), local.name] as const);
      if (exported.name !== 'default') names.set(exported.name, settled(...place));
    }
    for (const name of declaredNames(node.declaration)) names.set(name, [path, name]);
  }
  return names;
}

function declaredNames(node: Node): string[] {
  if (node === null || node === undefined) return [];
  if (node.type === 'VariableDeclaration') return node.declarations.map((each: Node) => each.id.name);
  return node.id === undefined ? [] : [node.id.name];
}

/** Follows imports and exports to where the name is declared. */
function settled(path: string, name: string): readonly [string, string] {
  if (topLevel(path, name).length > 0) return [path, name];
  for (const node of read(path).body) {
    const from = node.source?.value as string | undefined;
    if (from === undefined || !from.startsWith('.')) continue;
    const found = node.specifiers?.find(
      (each: Node) => (node.type === 'ImportDeclaration' ? each.local : each.exported)?.name === name,
    );
    if (found === undefined) continue;
    return settled(relative(path, from), (node.type === 'ImportDeclaration' ? found.imported : found.local).name);
  }
  return [path, name];
}

const relative = (path: string, target: string): string => posix.join(dirname(path), target);

/** Statements that declare `name`: a class and an interface may share one. */
function topLevel(path: string, name: string): Node[] {
  return read(path).body.filter((node) => declaredNames(node.declaration ?? node).includes(name));
}

const kinds: Readonly<Record<string, Declaration['kind']>> = {
  ClassDeclaration: 'class',
  TSInterfaceDeclaration: 'interface',
  TSTypeAliasDeclaration: 'type',
  FunctionDeclaration: 'function',
  TSDeclareFunction: 'function',
  VariableDeclaration: 'const',
};

function declarationsOf(path: string, local: string, name: string): Declaration[] {
  const source = read(path);
  const statements = topLevel(path, local);
  const overloaded = statements.some((node) => (node.declaration ?? node).type === 'TSDeclareFunction');
  return statements.flatMap((statement): Declaration[] => {
    const node = statement.declaration ?? statement;
    const kind = kinds[node.type];
    if (kind === undefined || (overloaded && node.type === 'FunctionDeclaration')) return [];
    // An interface beside its class only merges the commands into it.
    if (kind === 'interface' && statements.length > 1) return [];
    const doc = docBefore(source, statement.start);
    return [{ name, kind, signature: headOf(source, node, kind), doc, members: membersOf(source, node), file: path }];
  });
}

/** A declaration without its body. */
function headOf(source: Source, node: Node, kind: Declaration['kind']): string {
  const upTo =
    kind === 'class' || kind === 'interface'
      ? node.body.start
      : kind === 'function' && node.body
        ? node.body.start
        : node.end;
  if (kind === 'const') {
    const [first] = node.declarations;
    return flat(
      `const ${source.text.slice(first.id.start, first.id.typeAnnotation === null ? first.end : first.id.end)}`,
    );
  }
  return flat(source.text.slice(node.start, upTo)).replace(/;$/, '');
}

const flat = (text: string): string =>
  text
    .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    .replaceAll(/\s+/g, ' ')
    .trim();

function membersOf(source: Source, node: Node): Member[] {
  if (node.type === 'ClassDeclaration') {
    const own = node.body.body.flatMap((member: Node) => classMember(source, member, node.body.body));
    return [...own, ...inheritedMembers(source, node, own)];
  }
  if (node.type !== 'TSInterfaceDeclaration') return [];
  return node.body.body.map((member: Node): Member => {
    const signature = flat(source.text.slice(member.start, member.end)).replace(/[;,]$/, '');
    const name = member.key === undefined ? signature : nameOf(source, member);
    const kind = member.type === 'TSMethodSignature' ? 'method' : member.key === undefined ? 'other' : 'property';
    return { name, kind, signature, doc: docBefore(source, member.start) };
  });
}

/** Of a base class of this repository that is not exported itself. */
function inheritedMembers(source: Source, node: Node, own: readonly Member[]): Member[] {
  if (node.superClass?.type !== 'Identifier') return [];
  const [path, name] = settled(source.path, node.superClass.name);
  const base = topLevel(path, name)
    .map((each) => each.declaration ?? each)
    .find((each) => each.type === 'ClassDeclaration');
  if (base === undefined) return [];
  const names = new Set(own.map((member) => member.name));
  return membersOf(read(path), base).filter((member) => !names.has(member.name) && member.kind !== 'constructor');
}

function classMember(source: Source, member: Node, all: readonly Node[]): Member[] {
  if (member.key?.type === 'PrivateIdentifier' || /private|protected/.test(member.accessibility ?? '')) return [];
  if (member.type === 'StaticBlock' || /@internal/.test(docBefore(source, member.start))) return [];
  const same = (each: Node): boolean => each !== member && nameOf(source, each) === nameOf(source, member);
  const isOverload = all.some((each) => same(each) && /^TSEmptyBody/.test(each.value?.type ?? ''));
  const body = member.value?.body;
  if (body && isOverload && member.kind !== 'set') return [];
  // The setter of a pair says nothing new.
  if (member.kind === 'set' && all.some((each) => same(each) && each.kind === 'get')) return [];
  const start = member.decorators?.[0]?.start ?? member.start;
  const typed = member.typeAnnotation?.end ?? member.value?.start ?? member.end;
  const end = member.type.endsWith('PropertyDefinition') ? typed : (body?.start ?? member.end);
  const signature = flat(source.text.slice(start, end))
    .replace(/\s*[=;]$/, '')
    .replace(/^(?:(?:declare|override|async) )+/, '');
  const kind =
    member.kind === 'get' || member.kind === 'set'
      ? 'accessor'
      : member.kind === 'constructor'
        ? 'constructor'
        : member.type.includes('Property')
          ? 'property'
          : 'method';
  return [{ name: nameOf(source, member), kind, signature, doc: docBefore(source, member.start) }];
}

function nameOf(source: Source, { key, computed, static: isStatic }: Node): string {
  if (key === undefined || key === null) return '';
  const bare = source.text.slice(key.start, key.end);
  return `${isStatic ? 'static ' : ''}${computed ? `[${bare}]` : bare}`;
}

/** The text of the doc comment that ends right before `start`, without stars. */
function docBefore({ text, comments }: Source, start: number): string {
  let end = start;
  for (const comment of comments.toReversed()) {
    if (comment.end > end) continue;
    if (!/^(?:export|declare|abstract|static|readonly|async|\s)*$/.test(text.slice(comment.end, end))) return '';
    if (comment.type !== 'Block') {
      end = comment.start;
      continue;
    }
    if (!comment.value.startsWith('*')) return '';
    return comment.value
      .slice(1)
      .split('\n')
      .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
      .join('\n')
      .trim();
  }
  return '';
}
