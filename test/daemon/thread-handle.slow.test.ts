/** Real worker threads that die in every way. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type LogEntry, Logger } from "../../core/log.ts";
import { ThreadHandle } from "../../daemon/thread-handle.ts";
import { until } from "../support/wait.ts";

type To =
  | { readonly type: "say"; readonly n: number }
  | { readonly type: "die"; readonly how: string }
  | { type: "stop" };
type From = { readonly type: "ready" } | { readonly type: "said"; readonly n: number } | { readonly type: "stopped" };

/** Says what it is told; `die` ends it. `lives` of it get ready, none after. */
const THREAD = `
import { parentPort, workerData } from "node:worker_threads";
const starts = new Int32Array(workerData.starts);
const start = Atomics.add(starts, 0, 1);
if (start >= workerData.stillborn[0] && start < workerData.stillborn[1]) throw new Error("stillborn");
parentPort.on("message", (message) => {
  if (message.type === "say") parentPort.postMessage({ type: "said", n: message.n });
  if (message.type === "die" && message.how === "throw") setImmediate(() => { throw new Error("a mistake"); });
  if (message.type === "die" && message.how === "exit") process.exit(3);
  if (message.type === "die" && message.how === "memory") { const all = []; for (;;) all.push(new Array(1e5).fill(all.length)); }
  if (message.type !== "stop") return;
  parentPort.postMessage({ type: "stopped" });
  parentPort.close();
});
parentPort.postMessage({ type: "ready" });
`;

function bench(t: TestContext, stillborn: readonly [number, number] = [-1, -1]) {
  const starts = new Int32Array(new SharedArrayBuffer(4));
  const told: From[] = [];
  const entries: LogEntry[] = [];
  let losses = 0;
  const handle = new ThreadHandle<To, From>({
    name: "probe",
    url: new URL(`data:text/javascript,${encodeURIComponent(THREAD)}`),
    workerData: { starts: starts.buffer, stillborn },
    onMessage: (message) => told.push(message),
    onLost: () => losses++,
    log: new Logger("test", (entry) => entries.push(entry)),
    restartMs: 50,
    maxOldGenerationSizeMb: 32,
  });
  t.after(() => handle.stop({ type: "stop" }, 2000));
  handle.start();
  const said = (): number[] => told.flatMap((message) => (message.type === "said" ? [message.n] : []));
  const readies = (): number => told.filter(({ type }) => type === "ready").length;
  return { handle, entries, said, readies, starts: () => Atomics.load(starts, 0), losses: () => losses };
}

for (const [how, words] of [
  ["throw", /a mistake/],
  ["exit", /code 3/],
  ["memory", /memory/],
] as const) {
  test(`a thread that ends by ${how} is started again; the log says why`, async (t) => {
    const { handle, entries, said, readies, losses } = bench(t);
    handle.post({ type: "say", n: 1 });
    await until("the first answer", () => said().length === 1, 5000);
    handle.post({ type: "die", how });
    await until("it is back", () => readies() === 2, 10_000);
    handle.post({ type: "say", n: 2 });
    await until("the second answer", () => said().length === 2, 5000);
    assert.equal(losses(), 1);
    const errors = entries.filter(({ level }) => level === "error");
    assert.equal(errors.length, 1, "one death is told once");
    assert.match(`${errors[0]?.text} ${String(errors[0]?.fields.error)}`, words);
    assert.match(errors[0]?.text ?? "", /the probe thread .*started again/);
  });
}

test("messages to a dead thread wait for the next one, in order", async (t) => {
  const { handle, said, losses } = bench(t);
  handle.post({ type: "die", how: "exit" });
  await until("it is dead", () => losses() === 1, 5000);
  for (let n = 1; n <= 5; n++) handle.post({ type: "say", n });
  await until("all answers", () => said().length === 5, 5000);
  assert.deepEqual(said(), [1, 2, 3, 4, 5]);
});

test("a thread that dies before it is ready has taken nothing with it", async (t) => {
  const { handle, said, starts, losses } = bench(t, [0, 3]);
  handle.post({ type: "say", n: 7 });
  await until("the answer", () => said().length === 1, 10_000);
  assert.equal(starts(), 4);
  assert.equal(losses(), 0);
});

test("what waits for a thread that never comes is bounded, the oldest goes; what carries memory stays", async (t) => {
  const { handle, said, starts } = bench(t, [0, 2]);
  const carried = new ArrayBuffer(8);
  handle.post({ type: "say", n: -1 }, [carried]);
  for (let n = 0; n < 3000; n++) handle.post({ type: "say", n });
  await until("the last answer", () => said().at(-1) === 2999, 10_000);
  assert.equal(starts(), 3);
  assert.deepEqual(said().slice(0, 2), [-1, 2001]);
  assert.equal(said().length, 1000);
});

test("a dead thread is started once more to stop in order", async (t) => {
  const { handle, said, losses } = bench(t);
  handle.post({ type: "die", how: "exit" });
  await until("it is dead", () => losses() === 1, 5000);
  handle.post({ type: "say", n: 1 });
  assert.equal(await handle.stop({ type: "stop" }, 5000), true);
  assert.deepEqual(said(), [1]);
});

test("a thread that dies while it stops is not waited for", async (t) => {
  const { handle, readies } = bench(t);
  await until("it is ready", () => readies() === 1, 5000);
  handle.post({ type: "die", how: "exit" });
  const startedMs = performance.now();
  assert.equal(await handle.stop({ type: "stop" }, 20_000), false);
  assert.ok(performance.now() - startedMs < 10_000);
});
