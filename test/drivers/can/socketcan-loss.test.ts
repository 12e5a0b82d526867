import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { ReceiveLoss } from "../../../drivers/can/socketcan-loss.ts";

const FILTER = { id: 0x123, mask: 0xc00007ff };
const FILTERS = [FILTER, { id: 0x124, mask: 0xc00007ff }];
const OWN = "0000000073ef144a";
const OTHER = "000000005717d7b7";
const HIDDEN = "0000000000000000";

/** Both clocks show the same number. */
const at = (systemUs: number) => () => ({ systemUs, monoMs: systemUs });

/** Lines as Linux 6.1 writes them. */
const line = (name: string, id: string, owner: string, matches: number): string =>
  `   ${name}     ${id}    c00007ff  00000000b4d8833c  ${owner}  ${String(matches).padStart(8)}  raw`;

describe("frames that the kernel matched and that never came", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "busbar-loss-"));
    for (const list of ["all", "fil", "inv", "eff", "err"]) await writeFile(join(dir, `rcvlist_${list}`), "");
  });
  afterEach(() => rm(dir, { recursive: true }));

  async function kernel(...lines: string[]): Promise<void> {
    const head =
      "\nreceive list 'rx_sff':\n  device   can_id   can_mask      function          userdata       matches  ident";
    await writeFile(join(dir, "rcvlist_sff"), [head, ...lines, ""].join("\n"));
  }
  async function adopted(): Promise<ReceiveLoss> {
    await kernel(line("can0", "123", OWN, 0), line("can0", "123", OTHER, 50));
    const loss = ReceiveLoss.adopt(dir, "can0", { filters: FILTERS, nowMs: 0 });
    assert.ok(loss !== undefined);
    return loss;
  }

  test("the difference is the loss, once two looks agree", async () => {
    const loss = await adopted();
    for (let us = 1; us <= 7; us++) loss.saw(us, false);
    await kernel(
      line("can0", "123", OWN, 9),
      line("can0", "124", OWN, 1),
      line("can1", "123", OWN, 99),
      line("can0", "123", OTHER, 99),
    );
    for (const us of [10, 20]) await loss.look(at(us));
    assert.equal(loss.take()?.frames ?? 0, 0);
    await loss.look(at(30));
    assert.equal(loss.take()?.frames ?? 0, 3);
  });

  test("frames that still waited at the first look are none", async () => {
    const loss = await adopted();
    await kernel(line("can0", "123", OWN, 5));
    await loss.look(at(10));
    await loss.look(at(20));
    for (let us = 1; us <= 5; us++) loss.saw(us, false);
    await loss.look(at(30));
    await loss.look(at(40));
    assert.equal(loss.take()?.frames ?? 0, 0);
  });

  test("frames that came after the look do not hide a loss before it", async () => {
    const loss = await adopted();
    for (const from of [0, 1000, 2000]) {
      await kernel(line("can0", "123", OWN, 4 + from / 1000));
      await loss.look(at(from + 10));
      loss.saw(from + 500, false);
    }
    await loss.look(at(3010));
    assert.equal(loss.take()?.frames ?? 0, 4);
  });

  test("a loss that has been found stays found", async () => {
    const loss = await adopted();
    await kernel(line("can0", "123", OWN, 2));
    for (const us of [10, 20, 30]) await loss.look(at(us));
    for (let us = 40; us < 60; us++) loss.saw(us, false);
    await loss.look(at(60));
    assert.equal(loss.take()?.frames ?? 0, 2);
  });

  test("each loss is taken once, between the looks that had everything and that found it", async () => {
    const loss = await adopted();
    const look = async (us: number, matched: number): Promise<void> => {
      await kernel(line("can0", "123", OWN, matched));
      await loss.look(at(us));
    };
    await look(10, 0);
    await look(20, 4);
    await look(30, 4);
    await look(40, 4);
    const { why, ...first } = loss.take() ?? assert.fail("nothing lost");
    assert.deepEqual(first, { frames: 4, fromMs: 10, toMs: 30 });
    assert.match(why, /^the kernel's receive queue was full; raise net\.core\.rmem_default/);
    assert.equal(loss.take(), undefined);
    for (let us = 41; us <= 45; us++) loss.saw(us, false);
    await look(50, 9);
    await look(60, 16);
    await look(70, 16);
    await look(80, 16);
    const { frames, fromMs, toMs } = loss.take() ?? assert.fail("nothing lost");
    assert.deepEqual({ frames, fromMs, toMs }, { frames: 7, fromMs: 50, toMs: 70 });
  });

  test("with hidden owners, filters that nobody else has tell them apart", async () => {
    const hidden = (first: number, second: number) => [
      line("can0", "123", HIDDEN, first),
      line("can0", "124", HIDDEN, second),
      line("can0", "125", HIDDEN, 99),
    ];
    await kernel(...hidden(0, 0));
    const loss = ReceiveLoss.adopt(dir, "can0", { filters: FILTERS, nowMs: 0 });
    assert.ok(loss !== undefined);
    for (let us = 1; us <= 7; us++) loss.saw(us, false);
    // Error frames come by a filter that everybody has.
    loss.saw(8, true);
    await kernel(...hidden(9, 1));
    for (const us of [10, 20, 30]) await loss.look(at(us));
    assert.equal(loss.take()?.frames ?? 0, 3);
  });

  test("with hidden owners nothing is counted while somebody has the same filter", async () => {
    const [one, two] = [line("can0", "123", HIDDEN, 5), line("can0", "124", HIDDEN, 0)];
    await kernel(one, two);
    const loss = ReceiveLoss.adopt(dir, "can0", { filters: FILTERS, nowMs: 0 });
    assert.ok(loss !== undefined);
    await kernel(line("can0", "123", HIDDEN, 50), one, two);
    for (const us of [10, 20, 30]) await loss.look(at(us));
    assert.equal(loss.take()?.frames ?? 0, 0);
    await kernel(one, two);
    for (const us of [40, 50, 60]) await loss.look(at(us));
    assert.equal(loss.take()?.frames ?? 0, 5);
  });

  test("counters that cannot be told apart, or none at all: it says nothing rather than something wrong", async () => {
    const same = line("can0", "123", HIDDEN, 0);
    await kernel(same, same, line("can0", "124", HIDDEN, 0));
    assert.equal(ReceiveLoss.adopt(dir, "can0", { filters: FILTERS, nowMs: 0 }), undefined);
    assert.equal(ReceiveLoss.adopt(join(dir, "none"), "can0", { filters: FILTERS, nowMs: 0 }), undefined);
  });
});
