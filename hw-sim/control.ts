/** Commands over HTTP on the loopback interface: `GET /` shows the state, `POST /<verb>/<target>` does something. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { BusbarError, messageOf, systemCode } from "../core/errors.ts";
import { AMOUNT_NAMES, type Commands } from "./commands.ts";

const HOST = "127.0.0.1";

export interface ControlOptions {
  readonly commands: Commands;
  readonly state: () => Readonly<Record<string, unknown>>;
  /** Where control.json tells `npm run sim -- …` the address. */
  readonly simDir: string;
  readonly port: number;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** The file that tells where the running simulator listens. */
export function controlFile(simDir: string): string {
  return join(simDir, "control.json");
}

export class Control implements AsyncDisposable {
  readonly #options: ControlOptions;
  readonly #server: Server;
  #port = 0;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#answer(request).then(
        (answer) => reply(response, answer),
        (error: unknown) => reply(response, { status: statusOf(error), body: { error: messageOf(error) } }),
      );
    });
  }

  get url(): string {
    return `http://${HOST}:${this.#port}`;
  }

  /** Throws BusbarError PORT_IN_USE. */
  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) => {
        const why = systemCode(cause) === "EADDRINUSE" ? "is in use" : messageOf(cause);
        reject(
          new BusbarError("PORT_IN_USE", `simulator control on ${HOST}:${this.#options.port}: ${why}`, {
            remedy: "choose another --control-port, or 0 for any free one",
            cause,
          }),
        );
      });
      this.#server.listen(this.#options.port, HOST, resolve);
    });
    const address = this.#server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
    mkdirSync(this.#options.simDir, { recursive: true });
    writeFileSync(controlFile(this.#options.simDir), `${JSON.stringify({ url: this.url, pid: process.pid })}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = controlFile(this.#options.simDir);
    // Another simulator may have started since and be named there.
    if (readControlUrl(file) === this.url) rmSync(file, { force: true });
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { pathname, searchParams } = new URL(request.url ?? "/", this.url);
    if (request.method === "GET" && pathname === "/") {
      return { status: 200, body: { control: this.url, ...this.#options.state() } };
    }
    const [, verb, target, ...more] = pathname.split("/").map(decodeURIComponent);
    if (request.method !== "POST" || verb === undefined || target === undefined || more.length > 0) {
      return { status: 404, body: { error: "allowed: GET / and POST /<verb>/<device or line>" } };
    }
    const amount = AMOUNT_NAMES.map((name) => searchParams.get(name)).find((text) => text !== null);
    await this.#options.commands.run(verb, target, amount === undefined ? undefined : Number(amount));
    return { status: 200, body: { ok: `${verb} ${target}` } };
  }
}

/** The address in a control.json; undefined when there is none. */
export function readControlUrl(file: string): string | undefined {
  try {
    const { url } = JSON.parse(readFileSync(file, "utf8")) as { url?: unknown };
    return typeof url === "string" ? url : undefined;
  } catch {
    return undefined;
  }
}

function statusOf(error: unknown): number {
  if (error instanceof URIError || error instanceof TypeError) return 400;
  return error instanceof BusbarError && error.code === "CONFIG_INVALID" ? 400 : 500;
}

function reply(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body, undefined, 1)}\n`);
}
