/**
 * Only what cannot be left out: 100 round trips a second on a plain socket, and a datagram for each answer. No decoding,
 * no storage, no uplink: what this machine and Node take for the system calls alone.
 * `node bare-io.ts MODBUS_PORT UDP_PORT`
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ASSETS, QUANTITIES } from "./load.ts";

/** MBAP: transaction, protocol 0, six bytes follow; then unit, function 4, first register, count. */
const requests = Array.from({ length: ASSETS }, (_, i) =>
  Buffer.from([0, i, 0, 0, 0, 6, i + 1, 4, 0, 0, 0, QUANTITIES.length]),
);
/** As long as the gateway's for ten registers. */
const datagram = Buffer.alloc(128);

const [modbusPort = 0, udpPort = 0] = process.argv.slice(2, 4).map(Number);
const modbus = connect(modbusPort, "127.0.0.1").setNoDelay(true);
await once(modbus, "connect");
const udp = createSocket("udp4");
udp.connect(udpPort, "127.0.0.1");
await once(udp, "connect");

const startMs = performance.now();
let asked = 0;
const ask = (): void => void modbus.write(requests[asked++ % ASSETS] as Buffer);
modbus.on("data", () => {
  udp.send(datagram);
  if (asked % ASSETS !== 0) ask();
});
for (let second = 1; ; second++) {
  ask();
  await sleep(Math.max(0, startMs + 1000 * second - performance.now()));
}
