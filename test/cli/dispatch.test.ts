import assert from "node:assert/strict";
import test from "node:test";
import { parseArgs } from "node:util";
import { BusbarError } from "../../core/errors.ts";
import { dispatch } from "../../daemon/cli/dispatch.ts";
import { VERBS, type Verb, type VerbEntry } from "../../daemon/cli/verbs.ts";

const entry = (verb: Verb): VerbEntry => ({ summary: "a verb of the test", load: async () => verb });
const throwing = (error: Error) => entry({ run: () => Promise.reject(error), usage: "busbar x" });

const VERBS_HERE: Record<string, VerbEntry> = {
  echo: entry({
    usage: "busbar echo [--loud]",
    run: async (args) => (parseArgs({ args: [...args], options: { loud: { type: "boolean" } } }).values.loud ? 3 : 0),
  }),
  own: entry({ run: async (args) => (args.includes("--help") ? 5 : 6) }),
  config: throwing(new BusbarError("CONFIG_INVALID", "the file", { remedy: "correct it" })),
  bus: throwing(new BusbarError("PORT_IN_USE", "port 1")),
  bug: throwing(new TypeError("oops")),
};

async function busbar(...args: string[]) {
  const written = { out: "", err: "" };
  const output = {
    out: (text: string) => {
      written.out += text;
    },
    err: (text: string) => {
      written.err += text;
    },
  };
  return { code: await dispatch(args, output, VERBS_HERE), ...written };
}

test("a verb runs with its arguments and tells the exit code", async () => {
  assert.deepEqual(await busbar("echo", "--loud"), { code: 3, out: "", err: "" });
});

test("unknown verbs and options: a message, the usage, 64", async () => {
  const verb = await busbar("ehco");
  assert.equal(verb.code, 64);
  assert.match(verb.err, /^busbar: unknown verb "ehco"; did you mean echo\?\nusage: busbar VERB \[OPTIONS\]\n/);
  const proto = await busbar("constructor");
  assert.equal(proto.code, 64);
  const option = await busbar("--frobnicate");
  assert.match(option.err, /^busbar: unknown option "--frobnicate"\nusage: /);
  assert.equal(option.code, 64);
  const inside = await busbar("echo", "--quiet");
  assert.deepEqual(inside, {
    code: 64,
    out: "",
    err: "busbar echo: Unknown option '--quiet'\nusage: busbar echo [--loud]\n",
  });
  const positional = await busbar("echo", "file.yaml");
  assert.match(positional.err, /^busbar echo: Unexpected argument 'file\.yaml'.*\nusage: busbar echo/);
  assert.equal(positional.code, 64);
});

test("without a verb: the usage on stderr, 64", async () => {
  const { code, out, err } = await busbar();
  assert.equal(code, 64);
  assert.equal(out, "");
  assert.match(err, /^usage: busbar VERB/);
});

test("help: the list, or a verb's usage; a verb without one answers itself", async () => {
  for (const args of [["help"], ["--help"], ["-h"], ["help", "help"]]) {
    const { code, out } = await busbar(...args);
    assert.equal(code, 0);
    assert.match(out, /^ {2}echo {6}a verb of the test$/m);
  }
  const usage = { code: 0, out: "usage: busbar echo [--loud]\n", err: "" };
  assert.deepEqual(await busbar("echo", "--help"), usage);
  assert.deepEqual(await busbar("help", "echo"), usage);
  assert.equal((await busbar("own", "--help")).code, 5);
  assert.equal((await busbar("help", "nonsense")).code, 64);
});

test("errors: 78 for configuration, 1 for the world, 70 with a stack for our own mistakes", async () => {
  assert.deepEqual(await busbar("config"), { code: 78, out: "", err: "busbar config: the file; correct it\n" });
  assert.deepEqual(await busbar("bus"), { code: 1, out: "", err: "busbar bus: port 1\n" });
  const bug = await busbar("bug");
  assert.equal(bug.code, 70);
  assert.match(bug.err, /^busbar bug: TypeError: oops\n {4}at /);
});

test("the verbs of the daemon", () => {
  assert.deepEqual(Object.keys(VERBS), ["run", "check", "status", "fastpath", "bridge", "version"]);
});
