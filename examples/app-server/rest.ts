/** `GET` /health, /assets, /assets/<gateway>/<asset>, /sessions: JSON. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { State } from "./state.ts";

const GATEWAY = /^[a-z0-9-]{1,48}$/;
const ASSET = /^[A-Za-z0-9._-]{1,48}$/;
const LIMIT = { standard: 100, most: 1000 };

export interface Filter {
  readonly gateway: string | undefined;
  readonly asset: string | undefined;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const wrong = (error: string): Answer => ({ status: 400, body: { error } });

/** What a query names, or what is wrong with it. */
export function filterOf(query: URLSearchParams, also: readonly string[] = []): Filter | { error: string } {
  const names = ["gateway", "asset", ...also];
  const unknown = [...query.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined) return { error: `${unknown} is unknown; allowed: ${names.join(", ")}` };
  const [gateway, asset] = [query.get("gateway") ?? undefined, query.get("asset") ?? undefined];
  if (gateway !== undefined && !GATEWAY.test(gateway)) return { error: "gateway: allowed: 1 to 48 of a-z, 0-9 and -" };
  if (asset !== undefined && !ASSET.test(asset)) return { error: "asset: allowed: 1 to 48 letters, digits, . _ and -" };
  return { gateway, asset };
}

/** A page in a browser may ask only where it came from itself; whoever is no browser sends no origin. */
export function isForeign({ origin, host }: IncomingMessage["headers"]): boolean {
  if (origin === undefined) return false;
  return URL.parse(origin)?.host !== host;
}

/** `ready` is false until the state is as it was when the server started. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { state, ready }: { state: State; ready: boolean },
): void {
  const { status, body } = route(request, state, ready);
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(`${JSON.stringify(body)}\n`);
}

function route({ method, url = "/", headers }: IncomingMessage, state: State, ready: boolean): Answer {
  const parsed = URL.parse(url, "http://localhost");
  if (parsed === null) return wrong("the path is no path");
  const { pathname, searchParams } = parsed;
  if (method !== "GET") return { status: 405, body: { error: "allowed: GET" } };
  if (isForeign(headers)) return { status: 403, body: { error: "this page comes from elsewhere" } };
  if (pathname === "/health") return { status: ready ? 200 : 503, body: { status: ready ? "ok" : "loading" } };
  if (!ready) return { status: 503, body: { error: "the state is being read from Kafka; try again" } };
  if (pathname === "/assets") return { status: 200, body: { assets: state.assets() } };
  if (pathname === "/sessions") return sessions(searchParams, state);
  const [, first, gateway = "", asset = "", ...more] = pathname.split("/");
  if (first === "assets" && more.length === 0 && GATEWAY.test(gateway) && ASSET.test(asset)) {
    const values = state.values(gateway, asset);
    if (values === undefined) return { status: 404, body: { error: `nothing is known of ${gateway}/${asset}` } };
    return { status: 200, body: { gateway, asset, values } };
  }
  return { status: 404, body: { error: "allowed: /health, /assets, /assets/<gateway>/<asset>, /sessions, /changes" } };
}

function sessions(query: URLSearchParams, state: State): Answer {
  const filter = filterOf(query, ["limit"]);
  if ("error" in filter) return wrong(filter.error);
  const limit = Number(query.get("limit") ?? LIMIT.standard);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT.most) return wrong(`limit: allowed: 1 to ${LIMIT.most}`);
  return { status: 200, body: { sessions: state.sessions(filter.gateway, filter.asset).slice(0, limit) } };
}
