import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { sampleJson, sampleText, summaryText } from "../../daemon/fast-path/format.ts";
import { FastPathReceiver } from "../../daemon/fast-path/receiver.ts";
import { contractDatagrams } from "./vectors.ts";

const { plain, tableDatagram } = contractDatagrams();
const MAIN = fileURLToPath(new URL("../../daemon/cli/main.ts", import.meta.url));
const SENT_US = 1795226000123789;

function received() {
  const receiver = new FastPathReceiver();
  receiver.take(tableDatagram, SENT_US + 1000);
  return { samples: receiver.take(plain, SENT_US + 412), receiver };
}

describe("busbar fastpath listen", () => {
  it("prints samples and the summary for people", () => {
    const { samples, receiver } = received();
    assert.deepEqual(samples.map(sampleText), [
      "01:53:20.123 meter-1 Power.Active.Import 7360.5 W  good  +0.4 ms",
      "01:53:20.123 wallbox-1 Status Occupied  good  +0.4 ms",
      "01:53:20.123 meter-1 Power.Active.Import - W  bad  +0.4 ms",
    ]);
    const first = samples[0]!;
    assert.match(sampleText({ ...first, latencyUs: -1500 }), /good {2}-1\.5 ms$/);
    assert.match(sampleText({ ...first, asset: "a\u001b[2J\u202e" }), / a�\[2J� Power/);
    receiver.take(plain, SENT_US);
    receiver.take(Buffer.from("garbage"), SENT_US);
    const summary = summaryText(receiver.summary());
    assert.match(summary, /^2 datagrams, 3 samples, 1 lost\n {2}gateway d8eefedfd26f65eb boot 17: 2 datagrams/);
    assert.match(summary, /1 reordered, 1 duplicates\nlatency p50 0\.4 ms, p99 0\.8 ms, max 0\.8 ms\n/);
    assert.match(summary, /refused: 1 duplicate, 1 too-short$/);
  });

  it("prints one object a sample for machines", () => {
    const { samples } = received();
    assert.deepEqual(JSON.parse(sampleJson(samples[1]!)), {
      ts: 1795226000123.576,
      gateway: "d8eefedfd26f65eb",
      boot: 17,
      counter: 1001,
      n: 2,
      asset: "wallbox-1",
      signal: "Status",
      value: 1,
      text: "Occupied",
      quality: "good",
      latency_ms: 0.412,
    });
  });

  it("as a process hears, counts to --count and exits 0", async () => {
    const args = [MAIN, "fastpath", "listen", "--host", "127.0.0.1", "--port", "0", "--json", "--count", "2"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    try {
      let out = "";
      child.stdout.on("data", (chunk: Buffer) => {
        out += chunk.toString();
      });
      const [said] = (await once(child.stderr, "data")) as [Buffer];
      const port = Number(/udp port (\d+)/.exec(said.toString())?.[1]);
      const socket = createSocket("udp4");
      for (const bytes of [Buffer.from("garbage"), tableDatagram, plain]) socket.send(bytes, port, "127.0.0.1");
      const [code] = (await once(child, "close")) as [number];
      socket.close();
      assert.equal(code, 0);
      const lines = out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      assert.equal(lines.length, 3);
      assert.partialDeepStrictEqual(lines[0], { asset: "meter-1", value: 7360.5, quality: "good" });
      assert.partialDeepStrictEqual(lines[2], { summary: { datagrams: 2, lost: 1, refused: { "too-short": 1 } } });
    } finally {
      child.kill("SIGKILL");
    }
  });
});
