// Makes dist/, the package's code and typings, of what tsc has compiled to build-dist/. Run by `npm run build`.
//
// - The code ships once, as CommonJS: jest, bundlers and older loaders read nothing else. The ES entries only name what
//   the CommonJS ones export, so that a class is the same class however, and how often, it is loaded.
// - Few files: an import that opens some eighty modules takes four times as long. Rollup, since others rename classes
//   that refer to themselves, and libraries look at those names. Nothing is shaken out: what ships is what was tested.
// - Spaces and comments are left out, and local variables have short names, so that the client is less than 1 MB;
//   functions and classes keep their names, and statements their lines, for who reads a stack.
// - Modules of Node are had from process.getBuiltinModule: a bundler that writes ES modules keeps no `require`.
// - A chunk of code is a script: it puts what it exports into a registry of the process, and reads there what it imports.
//   So a bundler that reads ES modules alone (rollup without its commonjs plugin) bundles it as well: condition `module`.
//   Node itself goes by CommonJS: it looks for the exports of whatever an ES module imports from there, which takes long.
// - The typings are those of the CommonJS code too (`export =`), which the ES entries name again.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import commonjs from '@rollup/plugin-commonjs';
import { rollup } from 'rollup';
import { minify } from 'terser';
import { writePage } from './bundle-page.js';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const compiled = 'build-dist';
const dist = 'dist';
const bundledPackages = ['lru-cache', 'p-retry', 'is-network-error'];
/** Of the command line alone. */
const cliPackages = ['prom-client'];

/** What the CommonJS entry of the client exports: the class, with everything else on it, as ioredis's does. */
const clientEntry = `
import { Redis } from './lib/index.js';
// What a compiler made of \`import Redis from\` asks for \`default\` when it sees this mark.
Object.defineProperty(Redis, '__esModule', { value: true });
export default Redis;
`;

/** Where the code of a bundle lies; undefined where a bundler of users has made an ES module of it. */
const ownUrl = `(typeof __filename === 'string' ? process.getBuiltinModule('node:url').pathToFileURL(__filename).href : undefined)`;

const entry = join(process.cwd(), compiled, 'client-entry.js');

/** What is used of prom-client, without its figures of the process, which want packages of their own. */
const promParts = ['Registry', 'Counter', 'Gauge'];
const promEntry = join(process.cwd(), compiled, 'prom-client.js');
const promFiles = fileURLToPath(import.meta.resolve('prom-client')).replace(/index\.js$/, 'lib/');
const promCode = promParts
  .map((name) => `export { default as ${name} } from ${JSON.stringify(`${promFiles}${name.toLowerCase()}.js`)};\n`)
  .join('');

const luaPackage = 'wasmoon-lua5.1';

/**
 * In the place of server/script/lua-binary: the bytes, so that a bundle of users has them. As text they are half as long
 * as the file; they are unpacked when the first script comes.
 */
const luaModule = join(process.cwd(), compiled, 'server/script/lua-binary.js');
const luaBytes = gzipSync(readFileSync(join(folderOf(luaPackage), 'dist/liblua5.1.wasm')), { level: 9 });
const luaCode = `import { gunzipSync } from 'node:zlib';
export function luaBinary() {
  return gunzipSync(Buffer.from('${luaBytes.toString('base64')}', 'base64'));
}
`;

/** Modules that are written here. */
const written = { [entry]: clientEntry, [promEntry]: promCode, [luaModule]: luaCode };

const plugin = {
  name: 'lingcache',
  resolveId: (id) => {
    if (id === entry) return id;
    if (id === 'prom-client') return promEntry;
    if (id === 'util') return { id: 'node:util', external: true };
    return bundledPackages.includes(id) ? fileURLToPath(import.meta.resolve(id)) : undefined;
  },
  load: (id) => written[id],
  resolveImportMeta: (property) => (property === 'url' ? ownUrl : undefined),
  renderChunk: async (code) => {
    const builtins = code.replaceAll(/\brequire\('node:/g, "process.getBuiltinModule('node:");
    const names = { keep_classnames: true, keep_fnames: true };
    const small = await minify(builtins, { ecma: 2020, compress: false, mangle: names, format: { semicolons: false } });
    return small.code;
  },
};

const entryModules = ['server/index.js', 'server/operator/index.js'];

/**
 * The client with all it is made of, since a look into another file at each command would be felt; what an operator of any
 * cluster needs; the server, which is made of the same parts; the programs of the command line.
 */
function chunkOf(id) {
  const path = relative(join(process.cwd(), compiled), id).replaceAll('\\', '/');
  const alone =
    /^(?:server\/(?:tools|learn|testing)|server\/operator\/(?:metrics|backup|dashboard|config-check)|lib\/otel)\//;
  if (id === entry || alone.test(path) || entryModules.includes(path)) return undefined;
  if (id === promEntry || id.startsWith('\0') || id.startsWith(promFiles)) return 'prometheus';
  if (path.startsWith('server/operator/')) return 'operation';
  return path.startsWith('server/') ? 'nodes' : 'client';
}

async function bundle() {
  const built = await rollup({
    input: {
      lingcache: entry,
      server: `${compiled}/server/index.js`,
      main: `${compiled}/server/tools/main.js`,
      testing: `${compiled}/server/testing/testing.js`,
      otel: `${compiled}/lib/otel/otel.js`,
      operator: `${compiled}/server/operator/index.js`,
    },
    external: /^(?:node:|@opentelemetry\/)/,
    treeshake: false,
    plugins: [plugin, commonjs({ include: `${promFiles}**` })],
  });
  await built.write({
    dir: dist,
    format: 'cjs',
    exports: 'auto',
    esModule: false,
    interop: 'auto',
    generatedCode: { constBindings: true },
    entryFileNames: '[name].cjs',
    chunkFileNames: ({ name, isDynamicEntry }) =>
      shared.includes(name) && !isDynamicEntry ? '[name].cjs' : 'cli-[name].cjs',
    manualChunks: chunkOf,
    hoistTransitiveImports: false,
  });
  await built.close();
  // The slot of a key without the client: an ES module that needs nothing.
  const slot = await rollup({ input: `${compiled}/lib/wire/slot.js` });
  await slot.write({ file: `${dist}/slot.mjs`, format: 'es' });
  await slot.close();
  // What others import from ioredis's built/utils needs no client either.
  const utils = await rollup({ input: `${compiled}/lib/facade/compat/utils.js`, plugins: [plugin] });
  await utils.write({ file: `${dist}/built/utils.cjs`, format: 'cjs', exports: 'named', esModule: true });
  await utils.write({ file: `${dist}/built/utils.mjs`, format: 'es' });
  await utils.close();
  // The process that writes a save begins while the save does: one small file of its own.
  const saver = await rollup({
    input: `${compiled}/server/process/saver-child.js`,
    external: /^node:/,
    plugins: [plugin],
  });
  await saver.write({ file: `${dist}/cli-saver.cjs`, format: 'cjs', esModule: false });
  await saver.close();
}

/** Where chunks find each other: once a process, whoever loads them, and for each version by itself. */
const registry = `globalThis[Symbol.for(${JSON.stringify(`lingcache ${version}`)})]`;

/** Chunks that ES entries read, in the order in which they need each other. */
const shared = ['client', 'operation', 'nodes', 'server', 'operator'];

/** Of each of them, those that it reads itself. */
const needs = new Map();

/** Takes the code of a chunk out of its CommonJS module, which is left with naming it. */
function makeScript(name) {
  const file = join(dist, `${name}.cjs`);
  const required = /\brequire\("\.\/([\w-]+)\.cjs"\)/g;
  const code = readFileSync(file, 'utf8');
  const needed = [...new Set([...code.matchAll(required)].map(([, other]) => other))];
  const strange = needed.filter((other) => !shared.includes(other));
  if (strange.length > 0) throw new Error(`${name} needs ${strange.join()}, which is no shared chunk`);
  needs.set(name, needed);
  const body = code.replaceAll(required, (_, other) => `modules.${other}`);
  const script = `(modules=>{modules.${name}??=(exports=>{${body}\nreturn exports})({})})(${registry}??={})\n`;
  writeFileSync(join(dist, `${name}-code.cjs`), script);
  const requires = [...needed.map((other) => `./${other}.cjs`), `./${name}-code.cjs`];
  const lines = ['"use strict"', ...requires.map((path) => `require("${path}")`), `module.exports=${registry}.${name}`];
  writeFileSync(file, `${lines.join('\n')}\n`);
}

/** What an ES entry begins with that reads a chunk. */
function scriptsOf(name) {
  const wanted = new Set([name]);
  // A set goes on to what is added meanwhile.
  for (const one of wanted) for (const other of needs.get(one)) wanted.add(other);
  const inOrder = shared.filter((one) => wanted.has(one));
  return inOrder.map((one) => `import './${one}-code.cjs';\n`).join('');
}

/** The files of typings that an entry needs, by their paths below `root`. */
function reachable(root, entries) {
  const found = new Set();
  const visit = (file) => {
    if (found.has(file)) return;
    found.add(file);
    for (const [, target] of readFileSync(join(root, file), 'utf8').matchAll(/\bfrom '(\.[^']+)'/g)) {
      visit(posix.join(posix.dirname(file), target.replace(/\.ts$/, '.d.ts')));
    }
  };
  for (const file of entries) visit(file);
  return [...found];
}

/** Typings as any compiler reads them: imports name the files that run, none without a name; little indentation. */
function portable(text) {
  return text
    .replaceAll(/^import '.*\n/gm, '')
    .replaceAll(/(\bfrom '\.[^']+)\.ts'/g, "$1.js'")
    .replaceAll(/^(?: {4})+/gm, (indent) => ' '.repeat(indent.length / 4))
    .replaceAll('(RedisValue | readonly (RedisValue)[])[]', 'Values')
    .replaceAll('(RedisKey | readonly (RedisKey)[])[]', 'Keys')
    .replaceAll(': number | string', ': Numeric');
}

/** Names that a file of typings exports as types alone. */
function typesOf(text) {
  const names = [...text.matchAll(/^export type \{([^}]*)\}/gm)].flatMap(([, list]) => list.split(','));
  const own = [...text.matchAll(/^export (?:declare )?(?:interface|type) (\w+)/gm)].map(([, name]) => name);
  return [...names.map((name) => name.trim().split(' as ').at(-1)).filter((name) => name !== ''), ...own];
}

const nodeTypes = '/// <reference types="node" />\n';

/** What thousands of signatures say, once for each file. */
const lists = {
  Numeric: 'type Numeric = number | string;',
  Keys: 'type Keys = (RedisKey | readonly RedisKey[])[];',
  Values: 'type Values = (RedisValue | readonly RedisValue[])[];',
};

async function writeTypes() {
  const from = join(compiled, 'types');
  const files = reachable(from, [
    'lib/index.d.ts',
    'lib/facade/compat/utils.d.ts',
    'server/index.d.ts',
    'server/testing/testing.d.ts',
    'server/operator/index.d.ts',
    'lib/otel/otel.d.ts',
  ]);
  for (const file of files) {
    const target = join(dist, 'types', file);
    mkdirSync(dirname(target), { recursive: true });
    const text = portable(readFileSync(join(from, file), 'utf8'));
    const used = Object.keys(lists).filter((name) => new RegExp(`\\w\\??: ${name}\\b`).test(text));
    writeFileSync(target, `${used.map((name) => `${lists[name]}\n`).join('')}${text}`);
  }
  writeFileSync(`${dist}/types/package.json`, '{ "type": "commonjs" }\n');
}

async function namesOf(file) {
  const exported = await import(pathToFileURL(join(process.cwd(), compiled, file)).href);
  return Object.keys(exported)
    .filter((name) => name !== 'default')
    .sort();
}

async function writeClientEntries() {
  const names = (await namesOf('lib/index.js')).filter((name) => name !== 'Redis');
  const types = typesOf(readFileSync(join(compiled, 'types/lib/index.d.ts'), 'utf8')).filter(
    (name) => name !== 'Redis',
  );
  const values = names.filter((name) => name !== 'slotOf');
  const taken = `export const { ${values.join(', ')} } = Redis;\nexport { Redis, Redis as default };\n`;
  const fromScripts = `${scriptsOf('client')}const { RedisClient: Redis } = ${registry}.client;\n`;
  writeFileSync(`${dist}/client.mjs`, `import Redis from './lingcache.cjs';\n${taken}`);
  writeFileSync(`${dist}/client-module.mjs`, `${fromScripts}${taken}`);
  // Nothing but names: who asks for the slot of a key alone gets no client into a bundle.
  for (const kind of ['', '-module']) {
    writeFileSync(
      `${dist}/lingcache${kind}.mjs`,
      `export { slotOf } from './slot.mjs';
export { Redis, Redis as default, ${values.join(', ')} } from './client${kind}.mjs';
`,
    );
  }
  const all = [...names, ...types].join(', ');
  writeFileSync(
    `${dist}/lingcache.d.cts`,
    `${nodeTypes}import { Redis as Client, ${all} } from './types/lib/index.js';
/** One node. \`Redis.Cluster\` is the cluster client. */
declare class Redis<Mapping extends ReplyMappingMode = 'legacy'> extends Client<Mapping> {}
declare namespace Redis {
  export { Redis, Redis as default, ${all} };
}
export = Redis;
`,
  );
  writeFileSync(
    `${dist}/lingcache.d.mts`,
    `${nodeTypes}import Redis from './lingcache.cjs';
export { Redis, Redis as default };
export { ${all} } from './lingcache.cjs';
`,
  );
}

/** The entries of what has no default export: `from` is where tsc has put it. */
async function writeEntries(name, from) {
  const names = await namesOf(`${from}.js`);
  const taken = (own) => `export const { ${names.join(', ')} } = ${own};\n`;
  writeFileSync(`${dist}/${name}.mjs`, `import own from './${name}.cjs';\n${taken('own')}`);
  if (shared.includes(name)) {
    writeFileSync(`${dist}/${name}-module.mjs`, `${scriptsOf(name)}${taken(`${registry}.${name}`)}`);
  }
  writeFileSync(`${dist}/${name}.d.cts`, `${nodeTypes}export * from './types/${from}.js';\n`);
  writeFileSync(`${dist}/${name}.d.mts`, `${nodeTypes}export * from './${name}.cjs';\n`);
}

/** Modules of ioredis's `built` folder that packages and applications import, by what is their default export. */
const builtDefaults = {
  Command: 'Command',
  Pipeline: 'Pipeline',
  Redis: 'Redis',
  ScanStream: 'ScanStream',
  cluster: 'Cluster',
  'cluster/index': 'Cluster',
  'errors/ClusterAllFailedError': 'ClusterAllFailedError',
  'errors/MaxRetriesPerRequestError': 'MaxRetriesPerRequestError',
};

/** The others, by what they export: values and types. */
const builtNames = {
  errors: [['ClusterAllFailedError', 'MaxRetriesPerRequestError'], []],
  'cluster/ClusterOptions': [[], ['ClusterOptions', 'DNSLookupFunction', 'DNSResolveSrvFunction', 'NatMap']],
  'redis/RedisOptions': [[], ['CommonRedisOptions', 'RedisOptions']],
  types: [[], ['Callback']],
  'utils/RedisCommander': [
    [],
    ['Callback', 'ChainableCommander', 'ClientContext', 'RedisKey', 'RedisValue', 'Result', 'ResultTypes'],
  ],
};

const esModule = `"use strict";Object.defineProperty(exports,"__esModule",{value:true});\n`;

/** A module of `built` as CommonJS and as ES module, each with its typings: `types` of both, unless `esTypes` differ. */
function writeBuilt(path, { cjs, mjs, types, esTypes = types }) {
  const file = `${dist}/built/${path}`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.cjs`, cjs);
  writeFileSync(`${file}.mjs`, mjs);
  writeFileSync(`${file}.d.cts`, `${nodeTypes}${types}`);
  writeFileSync(`${file}.d.mts`, `${nodeTypes}${esTypes}`);
}

/** `ioredis/built/...`: paths that ioredis never promised, and that others require all the same. */
function writeBuiltEntries() {
  const up = (path, file) => `${'../'.repeat(path.split('/').length)}${file}`;
  for (const [path, name] of Object.entries(builtDefaults)) {
    const from = up(path, 'lingcache.cjs');
    writeBuilt(path, {
      cjs: `${esModule}exports.default=require("${from}").${name}\n`,
      mjs: `import Redis from '${from}';\nexport default Redis.${name};\n`,
      types: `export { ${name} as default } from '${from}';\n`,
    });
  }
  for (const [path, [values, types]] of Object.entries(builtNames)) {
    const from = up(path, 'lingcache.cjs');
    const declared = [...values, ...types.map((name) => `type ${name}`)].join(', ');
    writeBuilt(path, {
      cjs: `${esModule}${values.map((name) => `exports.${name}=require("${from}").${name}\n`).join('')}`,
      mjs:
        values.length === 0
          ? 'export {};\n'
          : `import Redis from '${from}';\nexport const { ${values.join(', ')} } = Redis;\n`,
      types: `export { ${declared} } from '${from}';\n`,
    });
  }
  for (const kind of ['c', 'm']) {
    const declared = `${nodeTypes}export * from '../types/lib/facade/compat/utils.js';\n`;
    writeFileSync(`${dist}/built/utils.d.${kind}ts`, declared);
  }
  const whole = "export * from '../lingcache.mjs';\nexport { default } from '../lingcache.mjs';\n";
  writeBuilt('index', {
    cjs: 'module.exports=require("../lingcache.cjs")\n',
    mjs: whole,
    types: "import Redis = require('../lingcache.cjs');\nexport = Redis;\n",
    esTypes: whole,
  });
  for (const folder of ['utils', 'errors']) {
    writeBuilt(`${folder}/index`, {
      cjs: `module.exports=require("../${folder}.cjs")\n`,
      mjs: `export * from '../${folder}.mjs';\n`,
      types: `export * from '../${folder}.cjs';\n`,
    });
  }
}

function folderOf(name) {
  return dirname(fileURLToPath(import.meta.resolve(name))).replace(/(node_modules[\\/]+[^\\/]+).*/, '$1');
}

const luaLicense = `Copyright (C) 1994-2012 Lua.org, PUC-Rio

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

function licenseOf(name) {
  const folder = folderOf(name);
  const file = readdirSync(folder).find((entry) => /^licen[sc]e/i.test(entry));
  return `## ${name}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
}

function writeLicenses() {
  const title = '# Packages that are part of these files';
  const parts = [...bundledPackages, luaPackage].map(licenseOf);
  const lua = `## Lua 5.1, as compiled in ${luaPackage}\n\n${luaLicense}`;
  writeFileSync(`${dist}/LICENSES.md`, `${title}\n\n${parts.join('\n')}\n${lua}\n`);
  const ofCommandLine = cliPackages.map(licenseOf);
  writeFileSync(`${dist}/cli-LICENSES.md`, `${title}, of those that begin with cli-\n\n${ofCommandLine.join('\n')}`);
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
await bundle();
shared.forEach(makeScript);
await writeTypes();
await writeClientEntries();
writeBuiltEntries();
await writeEntries('server', 'server/index');
await writeEntries('testing', 'server/testing/testing');
await writeEntries('operator', 'server/operator/index');
await writeEntries('otel', 'lib/otel/otel');
await writePage(join(dist, 'cli-dashboard.html'));
writeLicenses();
