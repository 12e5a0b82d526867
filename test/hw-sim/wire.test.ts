import assert from "node:assert/strict";
import { test } from "node:test";
import type { Unit } from "../../hw-sim/devices/device.ts";
import { candumpLine } from "../../hw-sim/wire/candump-bus.ts";
import { crc8, crc16Modbus } from "../../hw-sim/wire/crc.ts";
import type { Request, RequestParser } from "../../hw-sim/wire/framing.ts";
import { mbap } from "../../hw-sim/wire/mbap.ts";
import { answer } from "../../hw-sim/wire/pdu.ts";
import { rtu } from "../../hw-sim/wire/rtu.ts";

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");
const show = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const shown = (requests: readonly Request[]): string[] => {
  return requests.map(({ unit, pdu, transaction }) => `${transaction}/${unit}/${show(pdu)}`);
};

/** Registers 0x6B to 0x6D of the standard's own example (MODBUS Application Protocol V1.1b3, 6.3). */
const unit: Unit = {
  frozen: false,
  read: (fc, at, words) =>
    fc === 3 && at === 0x6b && words === 3 ? { bytes: hex("022B 0000 0064"), signals: { x: 1 } } : undefined,
};

test("checksums match published vectors", () => {
  assert.equal(crc16Modbus(Buffer.from("123456789")), 0x4b37);
  // MODBUS over Serial Line V1.02, 6.2.2: 02 07 gives 41 12 on the wire.
  assert.equal(crc16Modbus(hex("02 07")), 0x1241);
  assert.equal(crc16Modbus(hex("11 03 00 6B 00 03")), 0x8776);
  assert.equal(crc16Modbus(hex("01 03 00 00 00 0A")), 0xcdc5);
  assert.equal(crc8(hex("00 11 22 33 44 55 66")), 0xe4);
});

test("a unit answers the standard's example and the standard's exceptions", () => {
  const cases: readonly (readonly [request: string, reply: string])[] = [
    ["03 006B 0003", "0306022b00000064"],
    ["03 006B 0004", "8302"],
    ["04 006B 0003", "8402"],
    ["03 006B 0000", "8303"],
    ["03 006B 007E", "8303"],
    ["03 006B", "8303"],
    ["03 006B 0003 00", "8303"],
    ["06 0001 0003", "8601"],
    ["10 0001 0001 02 0000", "9001"],
    ["01 0000 0001", "8101"],
    ["2B 0E 01 00", "ab01"],
  ];
  for (const [request, reply] of cases) assert.equal(show(answer(unit, hex(request)).pdu), reply, request);
  assert.deepEqual(answer(unit, hex("03 006B 0003")).signals, { x: 1 });
  assert.equal(answer(unit, hex("03 006B 0004")).signals, undefined);
});

test("MBAP frames are byte-exact, split, glued or after garbage", () => {
  const request = hex("15 01 00 00 00 06 FF 03 00 04 00 01");
  const wanted = ["5377/255/0300040001"];
  assert.deepEqual(shown(mbap.parser().push(request)), wanted);
  assert.deepEqual(shown(mbap.parser().push(hex(`${show(request)}${show(request)}`))), [...wanted, ...wanted]);
  for (let cut = 1; cut < request.length; cut++) {
    const parser = mbap.parser();
    assert.deepEqual(parser.push(request.subarray(0, cut)), [], `cut at ${cut}`);
    assert.deepEqual(shown(parser.push(request.subarray(cut))), wanted, `cut at ${cut}`);
  }
  const parser = mbap.parser();
  assert.deepEqual(shown(parser.push(hex(`FFFFFFFFFF${show(request)}`))), wanted);
  assert.equal(parser.discarded, 5);
  const reply = mbap.encode({ unit: 255, pdu: hex("03"), transaction: 0x1501 }, hex("03 02 00 05"));
  assert.equal(show(reply), "150100000005ff03020005");
});

test("RTU frames are byte-exact, split, glued or after garbage", () => {
  const request = hex("11 03 00 6B 00 03 76 87");
  const wanted = ["0/17/03006b0003"];
  assert.deepEqual(shown(rtu.parser().push(request)), wanted);
  for (let cut = 1; cut < request.length; cut++) {
    const parser = rtu.parser();
    assert.deepEqual(parser.push(request.subarray(0, cut)), [], `cut at ${cut}`);
    assert.deepEqual(shown(parser.push(request.subarray(cut))), wanted, `cut at ${cut}`);
  }
  const garbled = [`112233${show(request)}`, `11030000${show(request)}`, `ffff${show(request)}00`];
  for (const bytes of garbled) {
    const parser = rtu.parser();
    const found = [...parser.push(hex(bytes)), ...parser.pause()];
    assert.deepEqual(shown(found), wanted, bytes);
    assert.equal(parser.discarded, hex(bytes).length - request.length, bytes);
  }
  const wrongCrc = rtu.parser();
  assert.deepEqual([...wrongCrc.push(hex("11 03 00 6B 00 03 76 88")), ...wrongCrc.pause()], []);
  // 15 and 16 carry a count; a function that is not known ends with silence.
  const many = hex("11 10 00 01 00 02 04 00 0A 01 02 C6 F0");
  assert.deepEqual(shown(rtu.parser().push(many)), ["0/17/100001000204000a0102"]);
  const unknown = rtu.parser();
  assert.deepEqual(unknown.push(hex("02 07 41 12")), []);
  assert.deepEqual(shown(unknown.pause()), ["0/2/07"]);
  const reply = rtu.encode({ unit: 1, pdu: hex("03"), transaction: 0 }, hex("03 02 00 05"));
  assert.equal(show(reply), "01030200057847");
});

test("garbage of any kind never throws, and a request after it is found", () => {
  let state = 12345;
  const random = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 32;
  };
  for (let round = 0; round < 60; round++) {
    const noise = Uint8Array.from({ length: Math.floor(random() * 600) }, () => Math.floor(random() * 256));
    const parsers: readonly RequestParser[] = [rtu.parser(), mbap.parser()];
    for (const parser of parsers) {
      parser.push(noise);
      parser.pause();
    }
    const [line] = parsers;
    assert.deepEqual(shown(line!.push(hex("11 03 00 6B 00 03 76 87"))), ["0/17/03006b0003"]);
  }
});

test("garbled replies are as long as the real ones and never valid", () => {
  let turn = 0;
  const random = (): number => (turn = (turn + 0.37) % 1);
  const pdu = hex("03 06 022B 0000 0064");
  for (let round = 0; round < 200; round++) {
    const frame = rtu.garble({ unit: 17, pdu: hex("03"), transaction: 0 }, pdu, random);
    assert.equal(frame.length, pdu.length + 3);
    const crc = crc16Modbus(frame.subarray(0, -2));
    assert.notDeepEqual([...frame.subarray(-2)], [crc & 0xff, crc >> 8]);
    const tcp = mbap.garble({ unit: 17, pdu: hex("03"), transaction: 1 }, pdu, random);
    assert.equal(tcp.length, pdu.length + 7);
    assert.notEqual(Buffer.from(tcp).readUInt16BE(2), 0, "the protocol field of a valid frame is 0");
  }
});

test("candump lines have the form of the tool", () => {
  const line = candumpLine(1_795_226_000_123_456, 0x1db, hex("0011223344556677"));
  assert.equal(line, "(1795226000.123456) sim0 1DB#0011223344556677\n");
  assert.equal(candumpLine(1_795_226_000_000_007, 0x18ff50e5, hex("01")), "(1795226000.000007) sim0 18FF50E5#01\n");
});
