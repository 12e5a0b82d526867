import assert from "node:assert/strict";
import { test } from "node:test";
import { AckFilter } from "../../../store-forward/uplink/ack-filter.ts";

interface Piece {
  readonly hex: string;
  /** What the filter takes of it; undefined: it is for mqtt.js. */
  readonly answer?: readonly [string, number, number];
}

/** Identifiers that nobody waits for. */
const UNKNOWN = 0x0bad;
const PIECES: readonly Piece[] = [
  { hex: "20 03 00 00 00" },
  { hex: "40 02 00 01", answer: ["puback", 1, 0] },
  { hex: "40 04 12 34 10 00", answer: ["puback", 0x1234, 0x10] },
  { hex: "d0 00" },
  { hex: "50 03 00 02 97", answer: ["pubrec", 2, 0x97] },
  { hex: "70 02 00 02", answer: ["pubcomp", 2, 0] },
  // A PUBLISH whose payload looks like acknowledgements.
  { hex: "30 0d 00 01 61 00 40 02 00 01 40 02 00 07 50" },
  { hex: "40 02 0b ad" },
  // SUBACK, and a PUBACK with flags, which mqtt.js refuses.
  { hex: "90 04 00 09 00 01" },
  { hex: "41 02 00 05" },
  // Cut short: no identifier.
  { hex: "40 01 00" },
  // A reason string of 200 bytes.
  { hex: `40 d0 01 00 03 97 cb 01 1f 00 c8 ${"61 ".repeat(200)}` },
  { hex: "40 02 00 08", answer: ["puback", 8, 0] },
];

function bytesOf(pieces: readonly Piece[]): Buffer {
  return Buffer.from(pieces.map(({ hex }) => hex.replaceAll(" ", "")).join(""), "hex");
}

function filtered(bytes: Buffer, chunkBytes: number) {
  const answers: (readonly [string, number, number])[] = [];
  const rest: Buffer[] = [];
  const filter = new AckFilter((...answer) => {
    if (answer[1] === UNKNOWN) return false;
    answers.push(answer);
    return true;
  });
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    rest.push(...filter.rest(bytes.subarray(at, at + chunkBytes)).map((part) => Buffer.from(part)));
  }
  return { answers, rest: Buffer.concat(rest) };
}

test("acknowledgements are taken, all else goes on in order, wherever the chunks end", () => {
  const bytes = bytesOf(PIECES);
  const answers = PIECES.map(({ answer }) => answer).filter((answer) => answer !== undefined);
  const rest = bytesOf(PIECES.filter(({ answer }) => answer === undefined));
  for (let chunkBytes = 1; chunkBytes <= bytes.length; chunkBytes++) {
    const got = filtered(bytes, chunkBytes);
    assert.deepEqual(got.answers, answers, `chunks of ${chunkBytes}`);
    assert.deepEqual(got.rest, rest, `chunks of ${chunkBytes}`);
  }
});

test("what cannot be a packet is left to mqtt.js with all that follows", () => {
  const bytes = bytesOf([{ hex: "40 02 00 01" }, { hex: "30 ff ff ff ff 7f" }, { hex: "40 02 00 02" }]);
  for (const chunkBytes of [1, 2, 5, bytes.length]) {
    const { answers, rest } = filtered(bytes, chunkBytes);
    assert.deepEqual(answers, [["puback", 1, 0]]);
    assert.deepEqual(rest, bytes.subarray(4));
  }
});
