import type { Snapshot } from "./protocol.ts";

/** What the answers are made of. */
export interface RequestContext {
  readonly snapshot: () => Snapshot;
}

const OPS: Readonly<Record<string, (context: RequestContext) => unknown>> = {
  ping: () => "pong",
  snapshot: (context) => context.snapshot(),
  health: (context) => {
    const { health, host } = context.snapshot();
    return { ...health, ...(host === undefined ? {} : { host }) };
  },
  assets: (context) => context.snapshot().assets,
};

/**
 * The JSON payload of `busbar/bridge/response/<op>`: zigbee2mqtt's form, `{"status":"ok","data":…,"transaction":…}` or
 * `{"status":"error","error":…,"transaction":…}`. Read-only; never throws.
 */
export function answer(op: string, payload: Buffer, context: RequestContext): string {
  const request = parseRequest(payload);
  const transaction = request?.transaction === undefined ? {} : { transaction: request.transaction };
  const respond = Object.hasOwn(OPS, op) ? OPS[op] : undefined;
  if (respond !== undefined && request !== undefined)
    return JSON.stringify({ status: "ok", data: respond(context), ...transaction });
  const what = respond === undefined ? `no operation "${op}"` : "the payload is no JSON object (nor empty)";
  return JSON.stringify({
    status: "error",
    error: `${what}; operations: ${Object.keys(OPS).join(", ")}`,
    ...transaction,
  });
}

function parseRequest(payload: Buffer): { transaction?: unknown } | undefined {
  if (payload.length === 0) return {};
  try {
    const value: unknown = JSON.parse(payload.toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
