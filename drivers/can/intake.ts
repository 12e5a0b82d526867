import type { DriverContext } from "../driver.ts";
import type { CanFrame, FrameId } from "./bus.ts";
import { type BusState, busStateOf } from "./bus-state.ts";
import { Discards } from "./discards.ts";
import type { DeviceModel } from "./model.ts";
import { PresenceWatch } from "./presence.ts";
import { Route } from "./route.ts";

const EXTENDED = 2 ** 29;

/** One run of the bus: finds each frame's routes and keeps the books. */
export class Intake {
  readonly wanted: readonly FrameId[];
  readonly intervalMs: number;
  readonly #routes = new Map<number, Route[]>();
  readonly #presence: PresenceWatch;
  readonly #discards: Discards;
  readonly #context: DriverContext;
  readonly #label: string;
  #busState: BusState | undefined;

  constructor(label: string, devices: readonly DeviceModel[], context: DriverContext) {
    for (const { asset, frames } of devices) {
      for (const frame of frames) {
        const key = keyOf(frame);
        this.#routes.set(key, [...(this.#routes.get(key) ?? []), new Route(asset.id, frame, context)]);
      }
    }
    this.wanted = [...this.#routes.values()].flatMap((routes) => routes.slice(0, 1)).map(({ frame }) => frame);
    this.#presence = new PresenceWatch(label, devices, context);
    this.intervalMs = this.#presence.intervalMs;
    this.#discards = new Discards(label, context);
    this.#context = context;
    this.#label = label;
  }

  take(frame: CanFrame): void {
    // Error frames come as ordinary ones, under ids that a profile may use as well.
    if (frame.error) {
      this.#takeError(frame);
      return;
    }
    const routes = this.#routes.get(keyOf(frame));
    if (routes === undefined) return;
    if (frame.remote) {
      this.#discards.count("remote");
      return;
    }
    if (this.#busState?.up === false) this.#busState = undefined;
    for (let index = 0; index < routes.length; index++) {
      const route = routes[index] as Route;
      const outcome = route.take(frame.data, frame.tUs);
      if (outcome !== "good") this.#discards.count(outcome);
      this.#presence.saw(route.asset, outcome);
    }
  }

  look(): void {
    // While the bus is off, that is what is wrong with everybody, and it has been said.
    if (this.#busState?.up !== false) this.#presence.look();
    this.#discards.tell();
  }

  end(): void {
    this.#discards.tellNow();
  }

  #takeError(frame: CanFrame): void {
    const state = busStateOf(frame);
    this.#discards.count(state.state === "overflow" ? "overflow" : "error");
    if (state === this.#busState) return;
    this.#busState = state;
    const level = state.state === "active" || state.state === "errors" ? "info" : "warn";
    this.#context.log[level](`bus state: ${state.state}`, { bus: this.#label, remedy: state.remedy });
    if (!state.up) this.#presence.busLost(state);
  }
}

function keyOf({ id, extended }: FrameId): number {
  return extended ? EXTENDED + id : id;
}
