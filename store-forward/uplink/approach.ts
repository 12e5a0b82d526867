/** How far an attempt to connect came: what its end means depends on it. */
import type { Duplex } from "node:stream";
import { BusbarError } from "../../core/errors.ts";
import { broken, httpAnswer, linkError, refused, refusesVersion } from "./faults.ts";

/** Why a link ended. */
export interface LinkEnd {
  readonly error: BusbarError;
  /** The other side closed it and gave no reason of its own: what we sent last may be to blame. */
  readonly byPeer: boolean;
}

export interface DialFailure {
  readonly error: BusbarError;
  /** The server may have accepted our CONNECT, and so may publish its will. */
  readonly mayHoldWill: boolean;
  /** It refused this version of MQTT (`told`), or hung up on CONNECT without a word (`silent`). */
  readonly version: "told" | "silent" | undefined;
}

export interface ApproachOptions {
  readonly url: string;
  /** The host took the connection. */
  readonly onReached?: () => void;
  /** What answers speaks HTTP. */
  readonly onHttp: (error: BusbarError) => void;
}

export class Approach {
  readonly #o: ApproachOptions;
  /** The server may have seen our CONNECT. */
  #reached = false;
  /** CONNACK's code, when it refused. */
  #refusedWith: number | undefined;
  #accepted = false;
  #serverReference: string | undefined;

  constructor(options: ApproachOptions) {
    this.#o = options;
  }

  /** Before anybody else listens to the stream. */
  watch(stream: Duplex): void {
    const { url, onReached, onHttp } = this.#o;
    const reached = (): void => {
      this.#reached = true;
    };
    stream.once("secureConnect", reached);
    stream.once("connect", () => onReached?.());
    if (url.startsWith("mqtt:")) stream.once("connect", reached);
    // Before mqtt.js, which would only see a packet with wrong flags.
    stream.prependOnceListener("data", (chunk: Buffer) => {
      reached();
      if (chunk.subarray(0, 5).toString("latin1") === "HTTP/") onHttp(httpAnswer(url));
    });
  }

  /** CONNACK came; it may name another server (MQTT 5 3.2.2.3.16). */
  answered(serverReference: string | undefined): void {
    this.#serverReference = serverReference;
  }

  /** It let us in: numbers in errors of mqtt.js are no answers of the server any more. */
  accepted(): void {
    this.#accepted = true;
  }

  /** The end of the link that an error of mqtt.js or of the stream is. */
  endOf(error: unknown): LinkEnd {
    const { url } = this.#o;
    const code = (error as { code?: unknown }).code;
    const text = error instanceof Error ? error.message : "";
    if (typeof code === "number") {
      if (this.#accepted) return { error: broken(url, text), byPeer: false };
      this.#refusedWith = code;
      return { error: refused(url, code, this.#serverReference), byPeer: false };
    }
    // The ws library gives no code, only this sentence, when the answer to the upgrade is not 101.
    const http = /^Unexpected server response: \d+/.test(text);
    return { error: http ? httpAnswer(url) : linkError(url, error), byPeer: code === "ECONNRESET" || code === "EPIPE" };
  }

  /** No CONNACK came in so many milliseconds. */
  timedOut(limitMs: number): BusbarError {
    const what = this.#reached ? "connected, but no MQTT answer" : "no answer";
    const remedy = "check the network, the firewall and the port in uplink.url";
    return new BusbarError("UPLINK_UNREACHABLE", `uplink ${this.#o.url}: ${what} in ${limitMs} ms`, { remedy });
  }

  /** What an end before CONNACK says. */
  failure({ error, byPeer }: LinkEnd): DialFailure {
    const silent = this.#reached && byPeer && error.code === "UPLINK_LOST";
    const told = this.#refusedWith !== undefined && refusesVersion(this.#refusedWith);
    const mayHoldWill = this.#reached && this.#refusedWith === undefined;
    return { error, mayHoldWill, version: told ? "told" : silent ? "silent" : undefined };
  }
}
