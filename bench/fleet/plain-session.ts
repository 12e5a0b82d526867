/**
 * mqtt.js with acknowledgements of our own. It handles one publish after the other and holds everything behind one that
 * is not acknowledged, which would make each batch one message; so its own PUBACKs are kept back, and sent when the batch
 * is in Kafka. That takes one of its internals; without it the loop does 3,600 messages a second in all.
 */
import { connectAsync, type MqttClient } from "mqtt";

export interface Taken {
  readonly topic: string;
  readonly payload: Buffer;
  ack(): void;
}

export interface PersistentOptions {
  readonly url: string;
  readonly clientId: string;
  readonly filter: string;
  /** Receive Maximum. */
  readonly window: number;
}

interface Internals {
  _sendPacket(packet: { readonly cmd: string }, done?: () => void): void;
}

export class PersistentSession {
  readonly #taken: Taken[] = [];
  #wake: () => void = () => {};
  /** Connections so far: an acknowledgement belongs to the one that its message came with. */
  #life = 0;

  static async open({ url, clientId, filter, window }: PersistentOptions): Promise<PersistentSession> {
    const session = new PersistentSession();
    const properties = { sessionExpiryInterval: 3600, receiveMaximum: window };
    const client = await connectAsync(url, { clientId, clean: false, protocolVersion: 5, properties });
    // A cut link: mqtt.js connects again by itself, and the server sends again what was not acknowledged.
    client.on("error", () => {});
    session.#attach(client);
    await client.subscribeAsync(filter, { qos: 1 });
    return session;
  }

  /** So many, or those that came within `ageMs` of the first. */
  async batch({ most, ageMs }: { readonly most: number; readonly ageMs: number }): Promise<readonly Taken[]> {
    await this.#holds(1);
    const late = new Promise<void>((resolve) => setTimeout(resolve, ageMs));
    await Promise.race([late, this.#holds(most)]);
    return this.#taken.splice(0, most);
  }

  async #holds(count: number): Promise<void> {
    while (this.#taken.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #attach(client: MqttClient): void {
    const internals = client as unknown as Internals;
    const send = internals._sendPacket.bind(client);
    internals._sendPacket = (packet, done) => {
      if (packet.cmd === "puback") done?.();
      else send(packet, done);
    };
    client.on("close", () => this.#life++);
    client.handleMessage = ({ topic, payload, messageId }, callback) => {
      const life = this.#life;
      const ack = (): void => {
        const packet = { cmd: "puback", messageId, reasonCode: 0 };
        if (life === this.#life) send(packet);
      };
      this.#taken.push({ topic, payload: payload as Buffer, ack });
      this.#wake();
      callback();
    };
  }
}
