/** A way into the threads of a process that runs with --inspect: how a test ends a thread, or stops it, that nothing else can. */
import { once } from "node:events";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId?: string; readonly workerInfo?: { readonly title: string } };
}

const WAIT_MS = 5000;

/**
 * Ends the worker thread of that name at once, as process.exit() in it does. `stderr` is what the process has written:
 * it tells the debugger's address.
 */
export async function killThread(stderr: string, name: string): Promise<void> {
  await inThread(stderr, name, "process.exit(3)", "NodeWorker.detachedFromWorker");
}

/** Makes the worker thread of that name stand still for good, as a disk that never answers does. */
export async function hangThread(stderr: string, name: string): Promise<void> {
  const forever = "setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 0)";
  await inThread(stderr, name, forever, "NodeWorker.receivedMessageFromWorker");
}

/** Resolves when the debugger says `answer` of that thread. */
async function inThread(stderr: string, name: string, expression: string, answer: string): Promise<void> {
  const url = /Debugger listening on (ws:\S+)/.exec(stderr)?.[1];
  if (url === undefined) throw new Error("the process does not run with --inspect");
  const socket = new WebSocket(url);
  await once(socket, "open");
  const call = (id: number, method: string, params: unknown): void => {
    socket.send(JSON.stringify({ id, method, params }));
  };
  const sessionId = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no thread ${name} in ${WAIT_MS} ms`)), WAIT_MS);
    socket.addEventListener("message", ({ data }) => {
      const { method, params } = JSON.parse(String(data)) as Message;
      if (method !== "NodeWorker.attachedToWorker" || !params?.workerInfo?.title.includes(name)) return;
      clearTimeout(late);
      resolve(params.sessionId ?? "");
    });
    call(1, "NodeWorker.enable", { waitForDebuggerOnStart: false });
  });
  const inner = { id: 1, method: "Runtime.evaluate", params: { expression } };
  const answered = new Promise<void>((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      const { method, params } = JSON.parse(String(data)) as Message;
      if (method === answer && params?.sessionId === sessionId) resolve();
    });
  });
  call(2, "NodeWorker.sendMessageToWorker", { sessionId, message: JSON.stringify(inner) });
  await answered;
  socket.close();
}
