/** The least that Node can do: one UDP datagram for each line of a unix socket. `node forward.ts SOCKET PORT` */
import { createSocket } from "node:dgram";
import { connect } from "node:net";

const NEWLINE = 10;
const [path = "", port = ""] = process.argv.slice(2);
const out = createSocket("udp4");

out.connect(Number(port), "127.0.0.1", () => {
  let held: Buffer = Buffer.alloc(0);
  const bus = connect(path);
  bus.on("data", (chunk) => {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      out.send(bytes, from, end - from);
      from = end + 1;
    }
    held = bytes.subarray(from);
  });
  bus.on("close", () => out.close());
});
