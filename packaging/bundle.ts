/** The project's TypeScript and its packages as a few JavaScript files that Node loads as they are. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, relative } from "node:path";
import { build, type Plugin } from "esbuild";
import { type Addons, addonFiles, addonPlugin } from "./addons.ts";
import type { Arch } from "./arch.ts";
import { entryName, findEntries, rewrite } from "./sources.ts";

/** Data that is read beside the code, by the place it has in the project. */
const DATA: readonly { readonly folder: string; readonly files: RegExp }[] = [
  { folder: "profiles", files: /\.(yaml|dbc)$/ },
  { folder: "daemon/status", files: /^page.*\.(html|css|js)$/ },
];
/** Packages from npm are CommonJS in part, and want what Node gives only to such files. */
const COMMONJS = [
  'import{createRequire as __createRequire}from"node:module";',
  "const require=__createRequire(import.meta.url),__dirname=import.meta.dirname;",
].join("");

export interface BundleOptions {
  readonly root: string;
  readonly outDir: string;
  readonly arch: Arch;
  readonly addons: Addons;
}

/** Writes everything that runs below `outDir`; returns the npm packages that went in, sorted. */
export async function bundle({ root, outDir, arch, addons }: BundleOptions): Promise<string[]> {
  const entries = Object.fromEntries(findEntries(root).map((path) => [entryName(path), join(root, path)]));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: outDir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    banner: { js: COMMONJS },
    chunkNames: "chunk-[hash]",
    // Names stay, so that a stack trace tells something without a source map in memory.
    minifySyntax: true,
    minifyWhitespace: true,
    lineLimit: 120,
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
    alias: { "better-sqlite3": `better-sqlite3/linux-${arch.node}` },
    plugins: [sourcePlugin(root), addonPlugin, lazyPackages, oneLanguage],
  });
  writeFileSync(join(outDir, "package.json"), '{"type":"module"}\n');
  for (const [name, from] of addonFiles(addons)) cpSync(from, join(outDir, name));
  for (const { folder, files } of DATA) copyData(root, outDir, folder, files);
  return packagesOf(Object.keys(metafile.inputs));
}

/**
 * `(await import("package")).name`: Node finds the names that a CommonJS package exports, esbuild knows its default only.
 * Node is asked, so the bundle gives what the checkout gives.
 */
const lazyPackages: Plugin = {
  name: "lazy-packages",
  setup(build) {
    build.onResolve({ filter: /^[@a-z]/ }, ({ path, kind, resolveDir }) => {
      if (kind !== "dynamic-import" || isBuiltin(path)) return undefined;
      return { path, namespace: "lazy", pluginData: resolveDir };
    });
    build.onLoad({ filter: /.*/, namespace: "lazy" }, async ({ path, pluginData }) => {
      const from = JSON.stringify(path);
      const exported = Object.keys((await import(path)) as object);
      const names = exported.filter((name) => /^\w+$/.test(name) && name !== "default");
      const named = names.map((name) => `export const ${name} = all.${name};`).join(" ");
      // Node's default is module.exports, also of a package that calls itself an ES module (socketcan); esbuild's is not.
      const contents = exported.includes("module.exports")
        ? `const all = require(${from}); export default all; ${named}`
        : `export * from ${from}; ${exported.includes("default") ? `export { default } from ${from}` : ""}`;
      return { contents, resolveDir: pluginData as string };
    });
  },
};

/** zod brings its messages in fifty languages into every thread that checks something; ours are English. */
const oneLanguage: Plugin = {
  name: "one-language",
  setup(build) {
    build.onLoad({ filter: /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js"',
    }));
  },
};

function sourcePlugin(root: string): Plugin {
  return {
    name: "sources",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const inside = relative(root, path);
        if (inside.startsWith("..") || inside.startsWith("node_modules")) return undefined;
        // The launcher names the Node that runs it; the first line of the source does not.
        const text = readFileSync(path, "utf8").replace(/^#!.*/, "");
        return { contents: rewrite(inside, text), loader: "ts" };
      });
    },
  };
}

function copyData(root: string, outDir: string, folder: string, files: RegExp): void {
  for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
    if (!files.test(name)) continue;
    const to = join(outDir, folder, name);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(join(root, folder, name), to);
  }
}

/** `node_modules/a/node_modules/@b/c/x.js` → `node_modules/a/node_modules/@b/c` */
function packagesOf(inputs: readonly string[]): string[] {
  const folders = inputs.flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []);
  return [...new Set(folders)].sort();
}
