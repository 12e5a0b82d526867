/** A bridge that ends itself with SIGKILL where a transaction has got to: `dying-bridge.ts CONFIG POINT COUNT`. */
import { POINTS } from "../../bridge/kafka/sink.ts";
import { loadBridge } from "../../bridge/load.ts";
import { runBridge } from "../../bridge/main.ts";

const [file = "", point = "", count = "1"] = process.argv.slice(2);
if (!POINTS.some((one) => one === point)) throw new Error(`no point ${point}; there are ${POINTS.join(", ")}`);
const loaded = loadBridge(file);
if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
let passed = 0;
/** Opening a partition is a transaction, too. */
let armed = false;
await runBridge(loaded.value, {
  log: () => undefined,
  signal: new AbortController().signal,
  checkpoint: (reached) => {
    armed ||= reached === "received";
    if (!armed) return;
    if (reached === point && ++passed === Number(count)) process.kill(process.pid, "SIGKILL");
  },
});
