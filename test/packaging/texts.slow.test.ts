import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { archOf } from "../../packaging/arch.ts";
import { changelog, control, copyright } from "../../packaging/control.ts";
import { manPage } from "../../packaging/man.ts";
import { exampleConfig, installedPage } from "../../packaging/stage.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test("control: every field on a line, the description's lines indented", () => {
  const text = control({
    version: "1.2.3",
    arch: archOf("amd64"),
    installedKib: 7,
    depends: ["libc6 (>= 2.34)", "libstdc++6 (>= 11)"],
  });
  assert.match(text, /^Package: busbar\nVersion: 1\.2\.3\nArchitecture: amd64\n/);
  assert.match(text, /^Depends: adduser, libc6 \(>= 2\.34\), libstdc\+\+6 \(>= 11\)$/m);
  assert.match(text, /^Installed-Size: 7$/m);
  for (const line of text.trimEnd().split("\n")) assert.match(line, /^([A-Z][A-Za-z-]+: \S| \S)/);
});

test("an architecture that nothing is built for is refused by name", () => {
  assert.throws(() => archOf("riscv64"), /riscv64.*amd64, arm64/s);
});

test("the changelog has Debian's form: the newest part's items, wrapped, and a date with a zone", () => {
  const markdown =
    "# Changelog\n\n## 1.1\n\nWords.\n\n- First thing,\n  told in two lines.\n- Second\n\nMore words.\n\n## 1.0\n\n- Old\n";
  assert.equal(
    changelog("1.1", markdown, new Date(0)),
    "busbar (1.1) unstable; urgency=medium\n\n  * First thing, told in two lines.\n  * Second\n\n" +
      " -- Busbar developers <maintainers@busbar.example>  Thu, 01 Jan 1970 00:00:00 +0000\n",
  );
  const items = changelog("1.0", read("CHANGELOG.md"), new Date(0))
    .split("\n")
    .filter((line) => /^ {2}/.test(line));
  assert.ok(items.length > 10);
  assert.deepEqual(
    items.filter((line) => line.length >= 80),
    [],
  );
});

test("the copyright has every licence word for word, but Apache-2.0 by its place on Debian", () => {
  const text = copyright([
    { name: "one", version: "1.0.0", licence: "MIT", text: "Permission is hereby granted\n" },
    { name: "two", version: "2.0.0", licence: "Apache-2.0", text: "TERMS AND CONDITIONS" },
  ]);
  assert.match(text, /one 1\.0\.0 \(MIT\)\n\nPermission is hereby granted\n/);
  assert.match(text, /two 2\.0\.0 \(Apache-2\.0\)\n\nSee \/usr\/share\/common-licenses\/Apache-2\.0/);
  assert.doesNotMatch(text, /TERMS AND CONDITIONS/);
});

test("the man page has every verb with its usage, and no word that roff would take for a command", async () => {
  const page = await manPage("1.2.3", "2026-01-02");
  assert.match(page, /^\.TH BUSBAR 1 "2026-01-02" "busbar 1\.2\.3"/);
  for (const verb of ["run", "check", "status", "fastpath", "bridge", "version"])
    assert.match(page, new RegExp(`^\\.SS ${verb}$`, "m"));
  assert.match(page, /busbar check \\-\\-config FILE/);
  assert.match(page, /busbar bridge audit \\-\\-config FILE/);
  const commands = /^\.(TH|SH|SS|PP|TP|B|I|RI|nf|fi)( |$)/;
  for (const line of page.split("\n")) if (/^[.']/.test(line)) assert.match(line, commands);
});

test("the installed example names files of the installed system", () => {
  const installed = exampleConfig(read("examples/busbar.yaml"));
  assert.match(installed, /\$schema=\/usr\/share\/busbar\/busbar\.schema\.json$/m);
  assert.match(installed, / \/usr\/share\/doc\/busbar\/CONFIGURATION\.md /);
  assert.doesNotMatch(installed, /\bdocs\//);
  assert.throws(() => exampleConfig("version: 1\n"), /examples\/busbar\.yaml/);
});

test("a link on an installed page leads to an installed file, or is words", () => {
  const page =
    "See [DELIVERY](DELIVERY.md), [the example](../examples/busbar.yaml), [0001](decisions/0001.md), [web](https://a.example).";
  assert.equal(
    installedPage("docs/FORMATS.md", page),
    "See [DELIVERY](DELIVERY.md), /usr/share/busbar/busbar.yaml, 0001, [web](https://a.example).",
  );
  const links = ["INSTALL", "CONFIGURATION", "DELIVERY", "FORMATS"].flatMap((name) =>
    [...installedPage(`docs/${name}.md`, read(`docs/${name}.md`)).matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link),
  );
  assert.deepEqual(
    links.filter((link) => !/^(INSTALL|CONFIGURATION|DELIVERY|FORMATS)\.md$/.test(link ?? "")),
    [],
  );
});
