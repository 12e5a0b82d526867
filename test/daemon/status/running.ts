import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { LocalStatus } from "../../../daemon/status/local-status.ts";
import type { FromStatus } from "../../../daemon/status/protocol.ts";
import { statusInit, until } from "./messages.ts";

/** A LocalStatus that is ready and ends with the test, and what it has said. */
export async function startStatus(t: TestContext, tickMs: number) {
  const abort = new AbortController();
  const messages: FromStatus[] = [];
  const status = new LocalStatus(statusInit(), { post: (message) => messages.push(message), tickMs });
  const ended = status.run(abort.signal);
  t.after(async () => {
    abort.abort();
    await ended;
  });
  await until(() => messages.length > 0);
  const [ready] = messages;
  assert.equal(ready?.type, "ready");
  return { status, ready, messages };
}
