/** The status thread's entry: `workerData` is a StatusInit; messages as daemon/status/protocol.ts tells. */
import { parentPort, workerData } from "node:worker_threads";
import { BusbarError, messageOf } from "../../core/errors.ts";
import type { StorageReport } from "../../store-forward/protocol.ts";
import { LocalStatus } from "./local-status.ts";
import type { FromStatus, StatusInit, ToStatus } from "./protocol.ts";

const port = parentPort;
if (port === null) throw new BusbarError("INTERNAL", "daemon/status/thread.ts runs as a worker only");
const init = workerData as StatusInit;
const stop = new AbortController();
const status = new LocalStatus(init, { post: (message: FromStatus) => port.postMessage(message) });

// The status thread is what people look at when something is wrong: a mistake in it is told, and it goes on.
process.on("uncaughtException", (error) =>
  status.log.error(`status thread: ${messageOf(error)}`, { stack: error.stack }),
);
process.on("unhandledRejection", (reason) => status.log.error(`status thread: ${messageOf(reason)}`));

port.on("message", (message: ToStatus) => {
  if (message.type === "stop") stop.abort();
  else status.receive(message);
});
init.storage?.on("message", (report: StorageReport) => status.receive(report));

await status.run(stop.signal);
port.postMessage({ type: "stopped" } satisfies FromStatus);
init.storage?.close();
port.close();
