import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./imports.ts";

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

interface Manifest {
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
}
const manifest = JSON.parse(read("package.json")) as Manifest;

test("every dependency has an exact version", () => {
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  const loose = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
    .map(([name, version]) => `${name} ${version}`);
  assert.deepEqual(loose, []);
});

test("the lock file names no registry and no engine that an npm on an older Node would stumble over", () => {
  const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, Record<string, unknown>> };
  const tied = Object.entries(packages).filter(([name, entry]) => {
    return "resolved" in entry || (name !== "" && "engines" in entry) || (name !== "" && entry.integrity === undefined);
  });
  assert.deepEqual(
    tied.map(([name]) => name),
    [],
  );
});

test("the commands that the README names exist", () => {
  const named = [...read("README.md").matchAll(/npm (?:run )?(start|test|sim|check|format|bench|docs|lock)\b/g)];
  assert.ok(named.length > 5);
  for (const [, name] of named) assert.ok(manifest.scripts[name as string] !== undefined, name);
});

test("the files that the README links exist", () => {
  const links = [...read("README.md").matchAll(/\]\(([^)#:]+)\)/g)].map(([, path]) => path as string);
  assert.ok(links.length > 5);
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  for (const link of links)
    assert.ok(
      files.split("\n").some((file) => file.startsWith(link)),
      link,
    );
});
