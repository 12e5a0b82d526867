/** How the uplink stands, in status and in the log: the log hears the same text once in a while, status always. */
import type { BusbarError } from "../../core/errors.ts";
import { Since } from "../../core/since.ts";
import type { UplinkStatus } from "../protocol.ts";
import { stateAfter } from "./faults.ts";
import { News } from "./news.ts";
import type { UplinkOptions } from "./options.ts";

export class Standing {
  readonly #log: UplinkOptions["log"];
  readonly #url: string;
  readonly #news: News;
  readonly #since: Since;
  /** Of the present connection, by what they are about. */
  readonly #warnings = new Map<string, string>();
  #state: UplinkStatus["state"] = "connecting";
  #error: string | undefined;
  #tellUp = true;

  constructor({ log, clock, config }: Pick<UplinkOptions, "log" | "clock" | "config">) {
    this.#log = log;
    this.#url = config.url;
    this.#news = new News(clock);
    this.#since = new Since(clock);
  }

  get state(): UplinkStatus["state"] {
    return this.#state;
  }

  /** Why the last link ended or did not come about, until one is up. */
  get error(): string | undefined {
    return this.#error;
  }

  get warning(): string | undefined {
    return this.#warnings.size === 0 ? undefined : [...this.#warnings.values()].join("; ");
  }

  /** Milliseconds since 1970 of the last change of state. */
  get sinceMs(): number {
    return this.#since.ms;
  }

  /** There is a link, which nobody has answered on yet. */
  connecting(): void {
    this.#warnings.clear();
    this.#become("connecting");
  }

  up(protocol: UplinkStatus["protocol"], conn: number): void {
    this.#error = undefined;
    this.#become("up");
    if (this.#tellUp) this.#log.info("uplink up", { url: this.#url, protocol, conn });
    this.#tellUp = false;
  }

  lost(error: BusbarError): void {
    const { message } = error;
    this.#error = message;
    this.#become(stateAfter(error));
    if (!this.#news.is(message)) return;
    this.#tellUp = true;
    // A lost link is everyday life; a server that says no waits for somebody.
    if (this.#state === "refused") this.#log.warn("uplink refused", { reason: message });
    else this.#log.info("uplink lost", { reason: message });
  }

  stopped(): void {
    this.#error = "stopped";
    this.#become("down");
  }

  /** One text for each `key` stands until the next connection. */
  warn(key: string, text: string): void {
    if (this.#warnings.get(key) === text) return;
    this.#warnings.set(key, text);
    if (this.#news.is(text)) this.#log.warn(text, { url: this.#url });
  }

  #become(state: UplinkStatus["state"]): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#since.restart();
  }
}
