/** A TCP address that takes no connection and refuses none: a stopped process with a full queue. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { until } from "./wait.ts";

const LISTENER = `
const server = require("node:net").createServer();
server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(server.address().port));
`;
/** The kernel takes one more than the backlog; a few beyond that find out that the queue is full. */
const FILLERS = 4;

export async function startBlackHole(): Promise<AsyncDisposable & { readonly port: number }> {
  const child = spawn(process.execPath, ["-e", LISTENER], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(line.toString());
  child.kill("SIGSTOP");
  const fillers: Socket[] = Array.from({ length: FILLERS }, () => connect(port, "127.0.0.1").on("error", () => {}));
  await until("the queue takes connections", () => fillers.some((socket) => !socket.connecting), 5000);
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of fillers) socket.destroy();
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}
