import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { crc16, RtuReplyFinder, setTransaction, TcpReplyFinder, toMbap } from "../../../drivers/modbus/frames.ts";

const bytes = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex");
const head = { unit: 0x11, fc: 3, words: 3 };
const TRANSACTION = 0x1501;
// Modbus Application Protocol 1.1b3, 6.3: registers 022B, 0000, 0064; CRCs made with a second implementation (modbus-slave.ts).
const BODY = "11 03 06 02 2b 00 00 00 64";
const REPLY = `${BODY} c8 ba`;
const OTHER_UNIT = "12 03 06 ae 41 56 52 43 40 5d 5d";
const EXCEPTION = "11 83 02 c1 34";

function feed(finder: RtuReplyFinder | TcpReplyFinder, chunks: string[]) {
  finder.expect(head, TRANSACTION);
  return chunks.map((chunk) => finder.push(bytes(chunk))?.toString("hex"));
}

suite("the reply in a stream of RTU bytes", () => {
  test("checksums of known frames", () => {
    assert.equal(crc16(Buffer.from("123456789")), 0x4b37);
    assert.equal(crc16(bytes("01 04 02 ff ff")), 0x80b8);
  });

  const found = bytes(REPLY).toString("hex");
  const rows: [string, string[], (string | undefined)[], number][] = [
    ["whole", [REPLY], [found], 0],
    ["byte by byte", REPLY.split(" "), [...Array(10).fill(undefined), found], 0],
    ["an exception", [EXCEPTION], [bytes(EXCEPTION).toString("hex")], 0],
    ["behind noise that looks like its head", ["11 03 06 11", REPLY], [undefined, found], 4],
    ["behind another unit's reply", [OTHER_UNIT + REPLY], [found], 11],
    ["behind a longer reply to an earlier request", [`11 03 08 ${"00 ".repeat(10)}`, REPLY], [undefined, found], 13],
    ["garbled", [REPLY.replace("2b", "2a")], [undefined], 11],
    ["garbled, and then well", [REPLY.replace("2b", "2a"), REPLY], [undefined, found], 11],
    ["a second copy is none", [REPLY, REPLY], [found, undefined], 11],
    ["what stands behind it is dropped", [`${REPLY} ff ff`], [found], 2],
  ];
  for (const [name, chunks, results, discarded] of rows) {
    test(name, () => {
      const finder = new RtuReplyFinder();
      assert.deepEqual(feed(finder, chunks), results);
      finder.expect(undefined);
      assert.equal(finder.discardedBytes, discarded);
    });
  }

  test("nothing is a reply when nothing was asked, and what came early is not one later", () => {
    const finder = new RtuReplyFinder();
    assert.equal(finder.push(bytes(REPLY)), undefined);
    finder.expect(head, TRANSACTION);
    assert.equal(finder.push(bytes("00")), undefined);
    assert.equal(finder.discardedBytes, 12);
    finder.expect(head, TRANSACTION);
    assert.equal(finder.push(bytes(REPLY.slice(0, 12))), undefined);
    finder.expect(head, TRANSACTION);
    assert.equal(finder.push(bytes(REPLY.slice(12))), undefined);
  });

  test("garbage is counted, and never a reply nor an exception", () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff;
      return (seed >> 16) & 0xff;
    };
    for (const finder of [new RtuReplyFinder(), new TcpReplyFinder()]) {
      finder.expect(head, TRANSACTION);
      let sent = 0;
      for (let i = 0; i < 2000; i++) {
        const chunk = Uint8Array.from({ length: random() % 40 }, random);
        sent += chunk.length;
        assert.equal(finder.push(chunk), undefined);
      }
      finder.expect(undefined);
      assert.equal(finder.discardedBytes, sent);
    }
  });
});

suite("the reply in a stream of Modbus TCP bytes", () => {
  const mbap = (id: string, body = BODY) =>
    `${id} 00 00 00 ${body.split(" ").length.toString(16).padStart(2, "0")} ${body}`;
  const found = bytes(REPLY).toString("hex");
  const rows: [string, string[], (string | undefined)[]][] = [
    ["whole", [mbap("15 01")], [found]],
    ["in pieces", [mbap("15 01").slice(0, 15), mbap("15 01").slice(15)], [undefined, found]],
    ["an exception", [mbap("15 01", "11 83 02")], [bytes(EXCEPTION).toString("hex")]],
    ["a late one before it", [mbap("15 00") + mbap("15 01")], [found]],
    ["only a late one", [mbap("15 00")], [undefined]],
    ["of another unit", [mbap("15 01", BODY.replace("11", "12"))], [undefined]],
    ["of another length", [mbap("15 01", "11 03 04 00 01 00 02")], [undefined]],
    ["whose count is a lie", [mbap("15 01", BODY.replace("06", "08"))], [undefined]],
    ["behind a packet that is no frame", ["48 54 54 50 2f 31 2e 31", mbap("15 01")], [undefined, found]],
  ];
  for (const [name, chunks, results] of rows) {
    test(name, () => assert.deepEqual(feed(new TcpReplyFinder(), chunks), results));
  }

  test("a request gets its header", () => {
    // Modbus Messaging on TCP/IP 1.0b, 3.1.3: transaction 0x1501, protocol 0, length 6, unit 0xFF.
    const frame = toMbap(bytes("ff 03 00 04 00 01 00 00"));
    setTransaction(frame, TRANSACTION);
    assert.equal(frame.toString("hex"), "150100000006ff0300040001");
  });
});

suite("a chunk that is the whole reply", () => {
  const TCP_REPLY = `15 01 00 00 00 09 ${BODY}`;
  const rows: [string, "rtu" | "tcp", string, number][] = [
    ["rtu", "rtu", REPLY, 3],
    ["rtu, garbled", "rtu", REPLY.replace("2b", "2a"), 0],
    ["rtu, another unit", "rtu", OTHER_UNIT, 0],
    ["rtu, cut", "rtu", REPLY.slice(0, -3), 0],
    ["rtu, with something behind it", "rtu", `${REPLY} ff`, 0],
    ["rtu, an exception", "rtu", EXCEPTION, 0],
    ["tcp", "tcp", TCP_REPLY, 9],
    ["tcp, a late one", "tcp", TCP_REPLY.replace("15 01", "15 00"), 0],
    ["tcp, another protocol", "tcp", TCP_REPLY.replace("15 01 00 00", "15 01 00 01"), 0],
    ["tcp, a length that is a lie", "tcp", TCP_REPLY.replace("00 09", "00 0a"), 0],
    ["tcp, another unit", "tcp", TCP_REPLY.replace("11 03", "12 03"), 0],
    ["tcp, another function", "tcp", TCP_REPLY.replace("11 03", "11 04"), 0],
    ["tcp, a count that is a lie", "tcp", TCP_REPLY.replace("03 06", "03 08"), 0],
    ["tcp, an exception", "tcp", "15 01 00 00 00 03 11 83 02", 0],
    ["tcp, cut", "tcp", TCP_REPLY.slice(0, -3), 0],
  ];
  for (const [name, kind, chunk, at] of rows) {
    test(name, () => {
      const finder = kind === "rtu" ? new RtuReplyFinder() : new TcpReplyFinder();
      assert.equal(finder.whole(bytes(chunk)), 0, "before anything was asked");
      finder.expect(head, TRANSACTION);
      assert.equal(finder.whole(bytes(chunk)), at);
      assert.equal(finder.whole(bytes(chunk)), 0, "a second copy, or no reply still");
      // Nothing was taken of what is no whole reply: `push` finds in it what it would have found anyway.
      const other = kind === "rtu" ? new RtuReplyFinder() : new TcpReplyFinder();
      if (at === 0) other.expect(head, TRANSACTION);
      assert.deepEqual(finder.push(bytes(chunk)), other.push(bytes(chunk)));
      assert.equal(finder.discardedBytes, other.discardedBytes);
    });
  }

  test("none while the begin of a reply waits for its rest", () => {
    for (const [finder, chunk] of [
      [new RtuReplyFinder(), REPLY],
      [new TcpReplyFinder(), TCP_REPLY],
    ] as const) {
      finder.expect(head, TRANSACTION);
      finder.push(bytes(chunk).subarray(0, 2));
      assert.equal(finder.whole(bytes(chunk)), 0);
    }
  });
});
