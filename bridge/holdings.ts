/**
 * What Kafka holds of one partition's gateways, as far as deciding needs it: progress, births, the latest state. Read
 * from Kafka when the partition is opened, and from then on kept by the one who writes there.
 */
import { decodeProgress, GatewayProgress } from "./progress.ts";

/** Births in memory per gateway; older ones are published again by the gateway that still needs them. */
const MOST_BIRTHS = 8;

export interface GatewayHoldings {
  progress: GatewayProgress;
  /** By id; the latest at the end. */
  readonly births: Map<string, Buffer>;
  state: GatewayState | undefined;
}

export interface GatewayState {
  readonly boot: number;
  readonly conn: number;
  readonly payload: Buffer;
}

export class Holdings {
  readonly #gateways = new Map<string, GatewayHoldings>();

  gateway(id: string): GatewayHoldings {
    let known = this.#gateways.get(id);
    if (known === undefined) {
      known = { progress: new GatewayProgress(), births: new Map(), state: undefined };
      this.#gateways.set(id, known);
    }
    return known;
  }

  ids(): string[] {
    return [...this.#gateways.keys()];
  }

  birth(gateway: string, id: string): Buffer | undefined {
    return this.#gateways.get(gateway)?.births.get(id);
  }

  /** False when it was there already. */
  addBirth(gateway: string, id: string, payload: Buffer): boolean {
    const { births } = this.gateway(gateway);
    if (births.has(id)) return false;
    // A view into a socket's buffer would hold all of it.
    births.set(id, Buffer.from(payload));
    for (const oldest of births.keys()) {
      if (births.size <= MOST_BIRTHS) break;
      births.delete(oldest);
    }
    return true;
  }

  /** False for a state from before the one known, and for the same again. */
  setState(gateway: string, state: GatewayState): boolean {
    const holdings = this.gateway(gateway);
    const known = holdings.state;
    if (known !== undefined) {
      if (state.boot < known.boot || (state.boot === known.boot && state.conn < known.conn)) return false;
      if (known.payload.equals(state.payload)) return false;
    }
    holdings.state = { ...state, payload: Buffer.from(state.payload) };
    return true;
  }

  /** A record of `busbar.progress`, while the partition is read. Throws SyntaxError for what is none. */
  readProgress(key: string, value: string): void {
    this.gateway(key).progress = decodeProgress(value);
  }
}
