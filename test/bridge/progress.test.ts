import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeProgress, GatewayProgress } from "../../bridge/progress.ts";

const EPOCH = "k3f9a1c2";

function received(...seqs: number[]): GatewayProgress {
  const progress = new GatewayProgress();
  for (const seq of seqs) progress.receive(EPOCH, "t", seq);
  return progress;
}

test("the same number twice is a duplicate, in its epoch and stream only", () => {
  const progress = received(1);
  assert.equal(progress.receive(EPOCH, "t", 1), "duplicate");
  assert.equal(progress.receive(EPOCH, "c", 1), "new");
  assert.equal(progress.receive("otherone", "t", 1), "new");
});

test("a receipt goes up to the first number for which there is neither record nor gap", () => {
  const progress = received(1, 2, 3, 6, 7);
  assert.deepEqual(progress.upto(EPOCH), { c: 0, t: 3, b: 0 });
  progress.cover({ epoch: EPOCH, c: "t", from: 4, to: 5 });
  assert.equal(progress.upto(EPOCH).t, 7);
  progress.cover({ epoch: EPOCH, c: "t", from: 7, to: 12 });
  assert.equal(progress.upto(EPOCH).t, 12);
});

test("a record that arrives inside a gap is new, and again a duplicate", () => {
  const progress = received(1);
  progress.cover({ epoch: EPOCH, c: "t", from: 2, to: 9 });
  assert.equal(progress.receive(EPOCH, "t", 5), "new");
  assert.equal(progress.receive(EPOCH, "t", 5), "duplicate");
});

test("a gap without end covers all that is known from there on", () => {
  const progress = received(1, 2, 9);
  progress.cover({ epoch: EPOCH, c: "t", from: 5, to: null });
  assert.equal(progress.upto(EPOCH).t, 2, "3 and 4 are missing");
  progress.receive(EPOCH, "t", 3);
  progress.receive(EPOCH, "t", 4);
  assert.equal(progress.upto(EPOCH).t, 9);
});

test("samples lost before they had a number cover none", () => {
  const progress = received(1);
  progress.cover({ epoch: EPOCH, c: "t", from: null, to: null });
  assert.equal(progress.upto(EPOCH).t, 1);
});

test("what is written is what is read", () => {
  const progress = received(1, 2, 3, 6);
  progress.cover({ epoch: EPOCH, c: "t", from: 4, to: 5 });
  progress.cover({ epoch: "aaaabbbb", c: "b", from: 9, to: null });
  progress.isLatestRevision("gw/wallbox-1/k3f9a1c2-71", 3);
  const text = progress.encode();
  const value = JSON.parse(text) as { s: unknown[] };
  assert.deepEqual(
    { ...value, s: value.s.length },
    {
      v: 1,
      e: [
        ["aaaabbbb", { b: { o: 9 } }],
        [EPOCH, { t: { r: [1, 3, 6, 6], g: [4, 5] } }],
      ],
      s: 1,
    },
  );
  const read = decodeProgress(text);
  assert.equal(read.encode(), text);
  assert.equal(read.receive(EPOCH, "t", 6), "duplicate");
  assert.equal(read.isLatestRevision("gw/wallbox-1/k3f9a1c2-71", 2), false);
});

test("epochs are told in the order in which they began, and a gap about one that is unknown is about an older one", () => {
  const progress = received(1);
  progress.cover({ epoch: "aaaabbbb", c: "t", from: 1, to: null });
  assert.deepEqual(progress.epochs(), ["aaaabbbb", EPOCH]);
});

test("sixteen epochs are kept, the latest ones; an epoch of digits too stands in its order", () => {
  const progress = new GatewayProgress();
  for (let epoch = 20; epoch > 0; epoch--) progress.receive(String(10_000_000 + epoch), "t", 1);
  const epochs = decodeProgress(progress.encode()).epochs();
  assert.equal(epochs.length, 16);
  assert.deepEqual([epochs[0], epochs.at(-1)], ["10000016", "10000001"]);
});

test("holes are bounded, what closes one is still taken", () => {
  const progress = new GatewayProgress();
  for (let at = 1; at <= 4096; at++) assert.equal(progress.receive(EPOCH, "t", 2 * at), "new");
  assert.equal(progress.receive(EPOCH, "t", 100_000), "too_many_holes");
  assert.equal(progress.receive(EPOCH, "t", 3), "new");
  assert.equal(progress.receive(EPOCH, "t", 100_000), "new");
});

test("an older revision of a session is not the latest", () => {
  const progress = new GatewayProgress();
  assert.equal(progress.isLatestRevision("a", 1), true);
  assert.equal(progress.isLatestRevision("a", 3), true);
  assert.equal(progress.isLatestRevision("a", 2), false);
  assert.equal(progress.isLatestRevision("b", 1), true);
});

test("no progress of ours is refused, not misread", () => {
  for (const text of ["", "[]", '{"v":2,"e":[]}', '{"v":1}'])
    assert.throws(() => decodeProgress(text), SyntaxError, text);
});
