import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { LateReplies } from "../../../drivers/modbus/late-replies.ts";
import { planBlocks } from "../../../drivers/modbus/plan.ts";
import { loadModbusProfile } from "../../../drivers/modbus/profile.ts";
import { Refusals } from "../../../drivers/modbus/refusals.ts";
import { PollSchedule } from "../../../drivers/modbus/schedule.ts";

const ten = loadModbusProfile("test/fixtures/modbus/ten.yaml");
const one = loadModbusProfile("test/fixtures/modbus/one.yaml");
const all = () => true;
const spell = (probe: ReturnType<LateReplies["probe"]>) =>
  probe === undefined || probe === "wait" ? `${probe}` : `${probe.at}+${probe.words}`;

suite("after silence nothing is asked whose reply could be an older one", () => {
  const late = () => new LateReplies(planBlocks(ten.signals, ten), 1000);

  test("without silence there is nothing to prove", () => assert.equal(spell(late().probe(0, all)), "undefined"));

  test("every probe has a length of its own", () => {
    const replies = late();
    const seen: string[] = [];
    replies.unanswered({ fc: 3, at: 0, words: 10 }, 0);
    for (let i = 0; i < 5; i++) {
      const probe = replies.probe(i, all);
      seen.push(spell(probe));
      if (probe !== undefined && probe !== "wait") replies.unanswered(probe, i);
    }
    const lengths = seen.slice(0, 4).map((text) => text.split("+")[1]);
    assert.deepEqual(seen[0], "0+1");
    assert.equal(new Set([...lengths, "10"]).size, 5);
    replies.proven();
    assert.equal(spell(replies.probe(9, all)), "undefined");
  });

  test("what the device refuses is no probe", () => {
    const replies = late();
    replies.unanswered({ fc: 3, at: 0, words: 10 }, 0);
    const probe = replies.probe(0, (block) => !block.signals.some(({ name }) => name.startsWith("Voltage")));
    assert.equal(spell(probe), "8+2");
  });

  test("for three timeouts more, nothing of a shape that is still awaited is asked", () => {
    const replies = late();
    const [block] = planBlocks(ten.signals, ten);
    const shapes = (nowMs: number) => replies.disguise(block!, nowMs).map(({ at, words }) => `${at}+${words}`);
    assert.deepEqual(shapes(0), ["0+10"]);
    replies.unanswered({ fc: 3, at: 0, words: 10 }, 0);
    replies.unanswered({ fc: 3, at: 0, words: 2 }, 0);
    replies.proven();
    // 4 to 9, the most even cut, leaves 2 words in front; so does any other cut but that after the first register.
    assert.deepEqual(shapes(2999), ["0+1", "1+9"]);
    assert.deepEqual(shapes(3000), ["0+10"]);
    const single = new LateReplies(planBlocks(one.signals, one), 1000);
    single.unanswered({ fc: 4, at: 7, words: 1 }, 0);
    assert.deepEqual(single.disguise(planBlocks(one.signals, one)[0]!, 0), []);
  });

  test("with one kind of request only, it is asked again after a long silence", () => {
    const replies = new LateReplies(planBlocks(one.signals, one), 1000);
    replies.unanswered({ fc: 4, at: 7, words: 1 }, 500);
    assert.equal(spell(replies.probe(600, all)), "wait");
    assert.equal(replies.quarantineUntilMs, 3500);
    assert.equal(spell(replies.probe(3499, all)), "wait");
    assert.equal(spell(replies.probe(3500, all)), "undefined");
    assert.equal(spell(replies.probe(3501, all)), "undefined");
  });
});

suite("one refused register does not fail the others", () => {
  /** Asks until all is planned in requests that hold none of the bad registers. */
  function learn(bad: readonly number[], signals = ten.signals) {
    const refusals = new Refusals(ten);
    let requests = 0;
    const tasks = refusals.plan(signals, 0);
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
      requests++;
      const { at, words } = task.block;
      if (bad.some((address) => address >= at && address < at + words)) tasks.unshift(...refusals.refuse(task, 0));
      else refusals.accept(task.block);
    }
    const plan = (nowMs: number) => refusals.plan(signals, nowMs).map(({ block }) => `${block.at}+${block.words}`);
    return { plan, requests };
  }

  test("the bad one is found and left out, the rest is merged again", () => {
    const { plan, requests } = learn([4]);
    assert.deepEqual(plan(0), ["0+2", "8+2"]);
    assert.ok(requests <= 5, `${requests}`);
  });

  test("it is tried again, alone, after a minute", () => {
    const { plan } = learn([4]);
    assert.deepEqual(plan(59_999), ["0+2", "8+2"]);
    assert.deepEqual(plan(60_000), ["0+2", "8+2", "4+2"]);
  });

  test("a bad hole keeps its neighbours apart, and costs nothing later", () => {
    assert.deepEqual(learn([2]).plan(0), ["0+2", "4+6"]);
  });

  test("a device that refuses all is left with nothing", () => {
    assert.deepEqual(learn([0, 1, 4, 8]).plan(0), []);
  });
});

suite("poll groups keep their rhythm", () => {
  const groups = [
    { name: "fast", intervalMs: 1000 },
    { name: "slow", intervalMs: 10_000 },
  ];
  const schedule = () => new PollSchedule(groups, { startMs: 0, firstDelayMs: 500, random: () => 1 });

  test("on a grid from the start, however long a poll took", () => {
    const s = schedule();
    const seen: string[] = [];
    for (let i = 0; i < 13; i++) {
      const nowMs = s.dueMs + 137;
      seen.push(`${s.start(nowMs)!.name} ${nowMs}`);
      s.answered();
    }
    const expected = ["fast 137", "slow 137", ...Array.from({ length: 9 }, (_, i) => `fast ${1137 + 1000 * i}`)];
    assert.deepEqual(seen, [...expected, "fast 10137", "slow 10137"]);
    assert.equal(s.skippedPolls, 0);
  });

  test("turns that are missed are left out and counted", () => {
    const s = schedule();
    assert.equal(s.start(3500)!.name, "fast");
    assert.deepEqual([s.dueMs, s.skippedPolls], [0, 3]);
    assert.equal(s.start(3500)!.name, "slow");
    assert.deepEqual([s.dueMs, s.skippedPolls], [4000, 3]);
  });

  test("a device that fails is asked less and less often, and at once in its rhythm when it is back", () => {
    const s = schedule();
    const delays: number[] = [];
    let nowMs = 0;
    for (let i = 0; i < 8; i++) {
      const group = s.start(nowMs)!;
      s.failed(group, nowMs);
      delays.push(s.dueMs - nowMs);
      nowMs = s.dueMs;
    }
    assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    s.start(nowMs);
    s.answered();
    s.start(nowMs);
    s.answered();
    assert.deepEqual([s.dueMs, s.skippedPolls], [92_000, 0]);
  });

  test("what failed is asked again before its next turn", () => {
    const s = schedule();
    s.start(0);
    const slow = s.start(0)!;
    assert.equal(slow.name, "slow");
    s.failed(slow, 100);
    assert.equal(s.dueMs, 600);
    assert.equal(s.start(600)!.name, "slow");
    s.answered();
    assert.equal(s.dueMs, 1000);
  });
});
