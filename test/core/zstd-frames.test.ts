import assert from "node:assert/strict";
import { test } from "node:test";
import { createZstdCompress, constants as zlib, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { ZstdFrames, ZstdPlains } from "../../core/zstd-frames.ts";
import { Random } from "../../hw-sim/random.ts";

const random = new Random(1, "zstd-frames");
const PLAINS = Array.from({ length: 200 }, (_, i) => {
  const letters = i % 10 === 0 ? 256 : 12;
  const length = i === 199 ? 300_000 : Math.floor(random.between(0, i % 20 === 0 ? 60_000 : 1500));
  return Buffer.from(Array.from({ length }, () => 32 + Math.floor(random.between(0, letters))));
});

for (const [name, options] of Object.entries({
  "the default level": {},
  "level 1": { params: { [zlib.ZSTD_c_compressionLevel]: 1 } },
  "a dictionary": { dictionary: Buffer.from(" !\"#$%&'()*+".repeat(20)) },
})) {
  for (const frames of [new ZstdFrames(options), new ZstdFrames(options, 400_000)]) {
    test(`frames from one context are those of a context each: ${name}`, () => {
      const dictionary = "dictionary" in options ? options : {};
      const all = PLAINS.map((plain) => frames.compress(plain));
      for (const [i, plain] of PLAINS.entries()) {
        assert.deepEqual(all[i], zstdCompressSync(plain, options));
        assert.deepEqual(zstdDecompressSync(all[i]!, dictionary), plain);
      }
    });
  }
}

test("this Node has the internals that keep the context", () => {
  const stream = createZstdCompress() as unknown as { _handle: { writeSync: unknown }; _writeState: unknown };
  assert.equal(typeof stream._handle.writeSync, "function");
  assert.ok(stream._writeState instanceof Uint32Array);
});

test("plains from one context, broken and large frames between them", () => {
  const plains = new ZstdPlains(1_000_000);
  for (const [i, plain] of PLAINS.entries()) {
    const frame = zstdCompressSync(plain);
    assert.deepEqual(plains.decompress(frame), plain);
    if (i % 20 !== 0) continue;
    const broken = Buffer.from(frame);
    broken[0] = 0;
    assert.throws(() => plains.decompress(broken), { code: "ZSTD_error_prefix_unknown" });
  }
  assert.throws(() => plains.decompress(zstdCompressSync(Buffer.alloc(1_000_001))), { code: "ERR_BUFFER_TOO_LARGE" });
  assert.deepEqual(plains.decompress(zstdCompressSync(Buffer.from("after"))), Buffer.from("after"));
});

test("a view holds what the call gives otherwise, until the next call", () => {
  const [frames, plains] = [new ZstdFrames(), new ZstdPlains(1_000_000)];
  for (const plain of PLAINS) {
    const frame = frames.compress(plain);
    assert.deepEqual(Buffer.from(frames.view(plain)), frame);
    assert.deepEqual(Buffer.from(plains.view(frame)), plain);
  }
  const [one, other] = [frames.view(Buffer.alloc(500, "a")), frames.view(Buffer.alloc(500, "b"))];
  assert.equal(one.buffer, other.buffer);
});
