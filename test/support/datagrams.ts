/** Whoever listens to the gateway's datagrams on the same machine. */
import { createSocket } from "node:dgram";
import { once } from "node:events";

export interface Datagrams extends Disposable {
  readonly port: number;
  /** So far; `lost` by the gateway's own counter, which starts anew with each boot. */
  readonly heard: { datagrams: number; lost: number; readonly boots: Set<number> };
}

const BOOT_AT = 16;
const COUNTER_AT = 20;

export async function listenForDatagrams(): Promise<Datagrams> {
  const socket = createSocket("udp4");
  const heard = { datagrams: 0, lost: 0, boots: new Set<number>() };
  let counter: number | undefined;
  socket.on("message", (datagram) => {
    const now = datagram.readUInt32LE(COUNTER_AT);
    const boot = datagram.readUInt32LE(BOOT_AT);
    if (counter !== undefined && heard.boots.has(boot)) heard.lost += now - counter - 1;
    heard.boots.add(boot);
    counter = now;
    heard.datagrams++;
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { port: socket.address().port, heard, [Symbol.dispose]: () => void socket.close() };
}
