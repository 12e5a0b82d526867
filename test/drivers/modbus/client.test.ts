/** Requests that are made again and again, whose replies mostly come whole: what is kept of them must not mix them up. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ModbusClient, ReadRequest } from "../../../drivers/modbus/client.ts";
import { RtuReplyFinder, TcpReplyFinder } from "../../../drivers/modbus/frames.ts";
import { slaveCrc } from "../../support/modbus-slave.ts";

const WALL_US = 1_795_226_000_123_000;

/** A client on a line in memory. `frees`: whether the system takes what is written at once. */
function bench(kind: "tcp" | "rtu") {
  const abort = new AbortController();
  const written: Uint8Array[] = [];
  const line = { frees: true, settled: 0 };
  const link = {
    write: (bytes: Uint8Array) => {
      written.push(bytes);
      return line.frees;
    },
    flush: async () => {},
    close: async () => {},
  };
  const clock = {
    synced: true,
    monoMs: () => performance.now(),
    wallUs: () => WALL_US,
    fromSystemUs: (us: number) => us,
  };
  const client = new ModbusClient(link, {
    clock,
    finder: kind === "tcp" ? new TcpReplyFinder() : new RtuReplyFinder(),
    mbap: kind === "tcp",
    signal: abort.signal,
    settle: async () => void line.settled++,
  });
  /** The frame of a reply to what was written last. */
  const reply = (...adu: number[]): Buffer => {
    if (kind === "rtu") {
      const crc = slaveCrc(Buffer.from(adu));
      return Buffer.from([...adu, crc & 0xff, crc >> 8]);
    }
    return Buffer.from([...written.at(-1)!.subarray(0, 4), 0, adu.length, ...adu]);
  };
  return { client, written, line, reply, abort };
}

function request(unit: number, words: number, timeoutMs = 1000) {
  const taken: [number[], number][] = [];
  const made = new ReadRequest({ fc: 3, at: 100 + unit, words }, { unit, timeoutMs }, (bytes, at, tUs) => {
    taken.push([[...bytes.subarray(at, at + 2 * words)], tUs]);
  });
  return { made, taken };
}

for (const kind of ["tcp", "rtu"] as const) {
  suite(`a client over ${kind}`, () => {
    test("the same requests again and again: every reply goes to its own, with its time", async () => {
      const { client, written, reply } = bench(kind);
      const [one, other] = [request(1, 1), request(2, 2)];
      for (let round = 0; round < 3; round++) {
        let reading = client.read(one.made);
        client.receive(reply(1, 3, 2, 0, round));
        assert.deepEqual(await reading, { kind: "data" });
        reading = client.read(other.made);
        client.receive(reply(2, 3, 4, 0, round, 1, round));
        assert.deepEqual(await reading, { kind: "data" });
      }
      assert.deepEqual(
        one.taken,
        [0, 1, 2].map((round) => [[0, round], WALL_US]),
      );
      assert.deepEqual(
        other.taken,
        [0, 1, 2].map((round) => [[0, round, 1, round], WALL_US]),
      );
      assert.deepEqual([written.length, client.discardedBytes], [6, 0]);
      client.close();
    });

    test("exceptions and replies in pieces are taken apart for the request in flight, whatever was asked before", async () => {
      const { client, reply } = bench(kind);
      const [one, other] = [request(1, 1), request(2, 2)];
      for (const { made, taken } of [one, other, one, other]) {
        let reading = client.read(made);
        const { unit, words } = made.head;
        client.receive(reply(unit, 3, 2 * words, ...new Array<number>(2 * words).fill(unit)));
        assert.deepEqual(await reading, { kind: "data" });
        reading = client.read(made);
        client.receive(reply(unit, 0x83, 6));
        assert.deepEqual(await reading, { kind: "exception", code: 6, tUs: WALL_US });
        reading = client.read(made);
        for (const byte of reply(unit, 3, 2 * words, ...new Array<number>(2 * words).fill(0x55))) {
          client.receive(Buffer.from([byte]));
        }
        assert.deepEqual(await reading, { kind: "data" });
        assert.deepEqual(taken.at(-1), [new Array<number>(2 * words).fill(0x55), WALL_US]);
      }
      client.close();
    });

    test("bytes that the system has not taken yet stay as they are", async () => {
      const { client, written, line, reply } = bench(kind);
      const { made } = request(1, 1);
      const frames: string[] = [];
      for (const frees of [false, true, true]) {
        line.frees = frees;
        const reading = client.read(made);
        frames.push(Buffer.from(written.at(-1)!).toString("hex"));
        client.receive(reply(1, 3, 2, 0, 7));
        await reading;
      }
      assert.equal(Buffer.from(written[0]!).toString("hex"), frames[0]);
      assert.notEqual(written[1], written[0]);
      assert.equal(written[2], written[1], "and else their memory serves again");
      client.close();
    });

    test("who cannot take the registers ends the read, and nothing else", async () => {
      const { client, reply } = bench(kind);
      const bad = new ReadRequest({ fc: 3, at: 0, words: 1 }, { unit: 1, timeoutMs: 1000 }, () => {
        throw new RangeError("no such signal");
      });
      const failed = assert.rejects(client.read(bad), /no such signal/);
      client.receive(reply(1, 3, 2, 0, 7));
      await failed;
      const { made, taken } = request(1, 1);
      const reading = client.read(made);
      client.receive(reply(1, 3, 2, 0, 8));
      await reading;
      assert.deepEqual(taken, [[[0, 8], WALL_US]]);
      client.close();
    });

    test("silence ends when the line has settled, and an abort ends everything", async () => {
      const { client, line, abort } = bench(kind);
      assert.deepEqual(await client.read(request(1, 1, 20).made), { kind: "silence", strayBytes: 0 });
      assert.equal(line.settled, 1);
      const aborted = assert.rejects(client.read(request(1, 1).made), /over/);
      abort.abort(new Error("over"));
      await aborted;
      assert.throws(() => client.read(request(1, 1).made), /over/);
    });
  });
}
