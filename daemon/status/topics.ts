import { LOCAL_PREFIX } from "../../core/topics.ts";
import type { Snapshot } from "./protocol.ts";
import type { StatusModel } from "./snapshot.ts";

export type Publish = (topic: string, payload: string, retain: boolean) => void;

export const STATE_TOPIC = `${LOCAL_PREFIX}/state`;
export const ONLINE = JSON.stringify({ state: "online" });
export const OFFLINE = JSON.stringify({ state: "offline" });

/** Puts what is known on the local topics (DESIGN §8); a retained topic only when its payload is a new one. */
export class LocalTopics {
  readonly #publish: Publish;
  readonly #last = new Map<string, string>();

  constructor(publish: Publish) {
    this.#publish = publish;
  }

  /** Called a few times a second: values that changed, availability, and how far data is durable. */
  fast(model: StatusModel): void {
    for (const asset of model.takeDirty()) this.#retained(`busbar/${asset}`, model.valuesOf(asset));
    for (const asset of model.assetIds) {
      this.#text(`busbar/${asset}/availability`, model.available(asset) ? ONLINE : OFFLINE);
    }
    if (model.outbox !== undefined) this.#retained(`${LOCAL_PREFIX}/outbox`, model.outbox);
  }

  /** Called once a second: everything else that a snapshot holds. */
  slow(snapshot: Snapshot): void {
    const { gateway, software, config_file, health, host, sources, fast_path, uplink, problems } = snapshot;
    this.#text(STATE_TOPIC, ONLINE);
    this.#retained(`${LOCAL_PREFIX}/info`, {
      gateway,
      software,
      config_file,
      assets: Object.keys(snapshot.assets).length,
      problems,
    });
    this.#retained(`${LOCAL_PREFIX}/health`, { ...health, ...(host === undefined ? {} : { host }) });
    this.#retained(`${LOCAL_PREFIX}/sources`, { sources, fast_path });
    if (uplink !== undefined) this.#retained(`${LOCAL_PREFIX}/uplink`, uplink);
  }

  /** The signal table of the fast path, as JSON text. */
  signals(json: string): void {
    this.#text(`${LOCAL_PREFIX}/signals`, json);
  }

  event(event: Readonly<Record<string, unknown>>): void {
    this.#publish(`${LOCAL_PREFIX}/event`, JSON.stringify(event), false);
  }

  logging(payload: string): void {
    this.#publish(`${LOCAL_PREFIX}/logging`, payload, false);
  }

  response(op: string, payload: string): void {
    this.#publish(`${LOCAL_PREFIX}/response/${op}`, payload, false);
  }

  #retained(topic: string, value: object): void {
    this.#text(topic, JSON.stringify(value));
  }

  #text(topic: string, payload: string): void {
    if (this.#last.get(topic) === payload) return;
    this.#last.set(topic, payload);
    this.#publish(topic, payload, true);
  }
}
