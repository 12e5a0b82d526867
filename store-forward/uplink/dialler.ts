/** How a link comes about: credentials, MQTT version, the number of the connection, and no waiting for a SYN to be repeated. */
import { isIP } from "node:net";
import { uplinkPrefix } from "../../core/topics.ts";
import type { DialFailure } from "./approach.ts";
import { dial, type Link } from "./connection.ts";
import { readCredentials } from "./credentials.ts";
import { linkError } from "./faults.ts";
import type { LinkOptions, Protocol } from "./link-options.ts";
import type { UplinkOptions, UplinkTiming } from "./options.ts";
import { statePayload } from "./presence.ts";
import { pathCameBack } from "./probe.ts";

export type Dialled = { readonly link: Link } | { readonly failure: DialFailure };

const PORTS: Readonly<Record<string, number>> = { "mqtt:": 1883, "mqtts:": 8883, "ws:": 80, "wss:": 443 };

export class Dialler {
  readonly #o: UplinkOptions;
  readonly #timing: UplinkTiming;
  #conn = 0;
  #protocol: Protocol | undefined;
  #learnt: Protocol | undefined;
  /** Where the last link led: probes ask no name server, which the outage may have swallowed, too. */
  #address: string | undefined;

  constructor(options: UplinkOptions, timing: UplinkTiming) {
    this.#o = options;
    this.#timing = timing;
    const host = new URL(options.config.url).hostname.replace(/^\[|\]$/g, "");
    this.#address = isIP(host) === 0 ? undefined : host;
  }

  /** Connections within this boot that a server may have seen. */
  get conn(): number {
    return this.#conn;
  }

  /** Of the last link. */
  get protocol(): Protocol | undefined {
    return this.#protocol;
  }

  /** Never throws. */
  async dial(signal: AbortSignal): Promise<Dialled> {
    const { protocol } = this.#o.config;
    const wanted = protocol === "auto" ? (this.#learnt ?? "5") : protocol;
    const first = await this.#dialAs(wanted, signal);
    if ("link" in first || protocol !== "auto" || wanted !== "5" || signal.aborted) return first;
    if (first.failure.version === undefined) return first;
    const second = await this.#dialAs("3.1.1", signal);
    // Only a server's word is remembered: one that hung up may be one that was just starting.
    if ("link" in second && first.failure.version === "told") this.#learnt = "3.1.1";
    return second;
  }

  async #dialAs(protocol: Protocol, signal: AbortSignal): Promise<Dialled> {
    const { gateway, config, boot, clock } = this.#o;
    const conn = this.#conn + 1;
    const payload = statePayload("offline", { boot, conn }, Math.floor(clock.wallUs() / 1000));
    try {
      const options: LinkOptions = {
        ...(await readCredentials(config)),
        url: config.url,
        protocol,
        clientId: gateway,
        keepaliveMs: config.keepalive,
        connectTimeoutMs: this.#timing.connectTimeoutMs,
        will: { topic: `${uplinkPrefix(gateway)}/state`, payload },
      };
      const dialled = await this.#dialAwake(options, signal);
      // A server that may have seen this will may publish it: its number is used up.
      if ("link" in dialled || dialled.failure.mayHoldWill) this.#conn = conn;
      if ("link" in dialled) {
        this.#protocol = protocol;
        this.#address = dialled.link.address ?? this.#address;
      }
      return dialled;
    } catch (cause) {
      const error = linkError(config.url, cause);
      return { failure: { error, mayHoldWill: false, version: undefined } };
    }
  }

  /** Dials anew as soon as the path is back while the first attempt still sleeps between its SYNs. */
  async #dialAwake(options: LinkOptions, signal: AbortSignal): Promise<Dialled> {
    const { protocol, port } = new URL(options.url);
    if (this.#address === undefined) return await dial(options, signal);
    const target = { host: this.#address, port: Number(port) || (PORTS[protocol] ?? 0) };
    const probing = new AbortController();
    const asleep = new AbortController();
    const onReached = (): void => probing.abort();
    const probe = pathCameBack({ ...target, everyMs: this.#timing.probeMs }, probing.signal).then((back) => {
      if (back && !probing.signal.aborted) asleep.abort();
    });
    const dialled = await dial({ ...options, onReached }, AbortSignal.any([signal, asleep.signal]));
    probing.abort();
    await probe;
    if ("link" in dialled || !asleep.signal.aborted || signal.aborted) return dialled;
    return await dial(options, signal);
  }
}
