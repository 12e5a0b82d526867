/** Reads the configuration file that `workerData` names, tells the result, ends. */
import { parentPort, workerData } from "node:worker_threads";
import { readConfig } from "./read-config.ts";

parentPort?.postMessage(readConfig(workerData as string));
