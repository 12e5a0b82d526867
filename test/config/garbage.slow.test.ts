/** Files that are no configuration at all, and a configuration with arbitrary damage: an error with a line, never a throw. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { loadSite } from "../../config/load.ts";

const folder = mkdtempSync(join(tmpdir(), "busbar-config-"));
after(() => rmSync(folder, { recursive: true }));

function errorsOf(content: string | Buffer): string[] {
  const file = join(folder, "busbar.yaml");
  writeFileSync(file, content);
  const result = loadSite(file);
  return result.ok ? [] : result.errors.map(({ line, path, message }) => `${line}: ${path}: ${message}`);
}

const MAPPING = "allowed: a mapping of version, gateway, uplink, store, fast_path, local, sources";
const BOMB = `a: &a [x, x, x, x, x, x, x, x, x, x]\n${"bcdefgh"
  .replace(/./g, (name) => `${name}: &${name} [${Array(10).fill(`*${String.fromCharCode(name.charCodeAt(0) - 1)}`)}]\n`)
  .trim()}\n`;

const CASES: Record<string, [string | Buffer, RegExp]> = {
  "an empty file": ["", new RegExp(`^1: : is empty; ${MAPPING}$`)],
  "a file of comments": ["# nothing\n\n", /^1: : is empty; /],
  "a text": ["hello\n", new RegExp(`^1: : is no mapping; ${MAPPING}$`)],
  "a list": ["- 1\n- 2\n", /^1: : is no mapping; /],
  "a NUL on the second line": ["version: 1\ngate\0way: 5\n", /^2: : is no text; allowed: a YAML file in UTF-8$/],
  "Latin-1 on the third line": [Buffer.from("a: 1\nb: 2\nc: \xfc\n", "latin1"), /^3: : is no text; /],
  "an ELF header": [Buffer.from("7f454c46020101000000", "hex"), /^1: : is no text; /],
  "more than 1 MiB": ["#".repeat(1024 * 1024 + 1), /^1: : is too large; allowed: at most 1 MiB$/],
  "an alias bomb": [BOMB, /^1: : its aliases unfold too far; allowed: 1000 uses$/],
  "an alias of itself": ["version: 1\ngateway: &a [ *a ]\n", /^2: : the alias \*a contains itself; /],
  "a tag": ["version: 1\ngateway: !secret x\n", /^2: : a tag \(!name\) stands here; /],
  "two documents": ["version: 1\n---\nversion: 1\n", /^2: : a second document begins; /],
  "an open quote": ['version: 1\ngateway: { id: "depot }\n', /^[23]: : a character is missing: /],
  "deep brackets": ["[".repeat(20_000), /^1: : /],
  "a mapping as a key": ["? { a: 1 }\n: 2\n", /"?\{ a: 1 \}"?\]?: is no known key; allowed: version, gateway/],
  "a prototype": ["__proto__: { a: 1 }\n", /^1: __proto__: is no known key; /],
};

for (const [name, [content, expected]] of Object.entries(CASES)) {
  test(`${name} is an error with a line`, () => {
    const errors = errorsOf(content);
    assert.ok(
      errors.some((error) => expected.test(error)),
      `${expected}\n${errors.join("\n").slice(0, 2000)}`,
    );
  });
}

test("what is no file", () => {
  const messageOf = (path: string) => {
    const result = loadSite(path);
    return result.ok ? "" : result.errors.map(({ line, message }) => `${line}: ${message}`).join("\n");
  };
  assert.match(messageOf(join(folder, "none.yaml")), /^1: there is no such file; /);
  assert.equal(messageOf(folder), "1: is a directory; allowed: a YAML file");
  assert.equal(messageOf("/dev/zero"), "1: is too large; allowed: at most 1 MiB");
  assert.equal(messageOf("/dev/null"), `1: is empty; ${MAPPING}`);
  assert.match(messageOf("a\0b"), /^1: cannot be read: /);
});

test("missing keys are reported on their parent's line", () => {
  const errors = errorsOf(
    "# c\nversion: 1\nuplink:\n  username: x\nsources:\n  - id: a\n    driver: modbus\n    tcp: {}\n",
  );
  assert.deepEqual(
    errors.filter((error) => error.includes("is missing")).map((error) => error.split("; ")[0]),
    [
      "2: gateway: is missing",
      "3: uplink.url: is missing",
      "6: sources[0].devices: is missing",
      "8: sources[0].tcp.host: is missing",
    ],
  );
});

test("no secret that stands in the file is repeated", () => {
  const yaml = `version: 1
uplink:
  url: "mqtt://u:hunter2/x@host"
  password: hunter2
  password_file: hunter2
gateway: hunter2: x
`;
  assert.doesNotMatch(errorsOf(yaml).join("\n"), /hunter2/);
  const sound = yaml.replace("gateway: hunter2: x", "gateway: { id: a }\nlocal: { http: { password_file: 482911 } }");
  assert.ok(errorsOf(sound).length >= 4);
  assert.doesNotMatch(errorsOf(sound).join("\n"), /hunter2|482911/);
});

test("random damage: errors on lines of the file, or a site", () => {
  const good = readFileSync(new URL("../../examples/busbar.yaml", import.meta.url), "utf8");
  const random = sequence(20_260_730);
  let refused = 0;
  for (let i = 0; i < 60; i++) {
    const damaged = damage(good, random);
    const file = join(folder, "damaged.yaml");
    writeFileSync(file, damaged);
    const result = loadSite(file, [
      (site) => site.sources.map((_, at) => ({ path: ["sources", at], message: "seen" })),
    ]);
    if (result.ok) continue;
    refused++;
    const lines = damaged.split("\n").length;
    for (const { line, message } of result.errors) {
      assert.ok(line >= 1 && line <= lines, `line ${line} of ${lines}\n${damaged}`);
      assert.match(message, /\S/);
      assert.ok(!message.includes("\n") && !message.includes("undefined"), message);
    }
  }
  assert.ok(refused > 20, `only ${refused} of the damaged files were refused`);
});

/** Cuts, doubles or replaces a few pieces. */
function damage(text: string, random: () => number): string {
  let result = text;
  for (let i = 0; i < 3; i++) {
    const at = Math.floor(random() * result.length);
    const length = Math.floor(random() * 12);
    const piece = result.slice(at, at + length);
    const other = ["", piece + piece, "\t", ": ", "}", "[", "- ", '"', "&a *a", "\u2028", "~", "\n"][
      Math.floor(random() * 12)
    ];
    result = result.slice(0, at) + other + result.slice(at + length);
  }
  return result;
}

/** mulberry32 */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
