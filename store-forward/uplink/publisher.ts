/**
 * Publishes and their acknowledgements on one link, beside mqtt.js: that makes a dozen objects of each publish, copies
 * it into a store, and writes it in six pieces, for three times the CPU. What remains its own is the rest of MQTT.
 */
import type { Writable } from "node:stream";
import type { AckCommand } from "./ack-filter.ts";
import { Outbound } from "./outbound.ts";
import type { PacketIds } from "./packet-ids.ts";
import { PUBREL_BYTES, type PublishPacket, publishRoom, writePublish, writePubrel } from "./publish-packet.ts";

export interface Publish extends Pick<PublishPacket, "payload" | "qos" | "retain"> {
  readonly topic: string;
  /** The reason code of its PUBACK or PUBCOMP, or of the PUBREC that refused; 0 for 3.1.1. Not at QoS 0, but for 0x95. */
  readonly done?: (reasonCode: number) => void;
}

export interface PublisherOptions {
  readonly stream: Writable;
  readonly ids: PacketIds;
  readonly version: 4 | 5;
  /** MQTT 5 3.2.2.3.8; 0: none. */
  readonly topicAliasMaximum: number;
}

const REFUSED = 0x80;
/** Nobody subscribes: the server has it all the same. */
export const NO_SUBSCRIBER = 0x10;
const ignore = (): void => {};
const IDENTIFIERS = 0x10000;
/** Of `#awaited`. */
const PUBACK = 1;
const PUBREC = 2;
const PUBCOMP = 3;
const NO_NAME = new Uint8Array(0);

type Name = Pick<PublishPacket, "topic" | "alias">;

export class Publisher {
  readonly #o: PublisherOptions;
  readonly #outbound: Outbound;
  readonly #unanswered = new Map<number, (reasonCode: number) => void>();
  /** By identifier: the acknowledgement that its publish awaits. */
  readonly #awaited = new Uint8Array(IDENTIFIERS);
  /** Of records' topics, what is sent next. */
  readonly #names = new Map<string, Name>();
  #aliases = 0;

  constructor(options: PublisherOptions) {
    this.#o = options;
    this.#outbound = new Outbound(options.stream);
  }

  /** Leaves with everything else of this turn; `payload` is free again at once. Bytes that it took. */
  publish({ topic, payload, qos, retain, done }: Publish): number {
    // The window is below the number of identifiers, so there is one.
    const id = qos === 0 ? 0 : (this.#o.ids.allocate() ?? 0);
    const name = this.#named(topic, qos > 0 && !retain);
    const packet = { topic: name.topic, payload, qos, retain, id, alias: name.alias, version: this.#o.version };
    if (qos > 0) {
      this.#unanswered.set(id, done ?? ignore);
      this.#awaited[id] = qos === 1 ? PUBACK : PUBREC;
    }
    const out = this.#outbound.room(publishRoom(packet));
    const { at } = this.#outbound;
    const end = writePublish(out, at, packet);
    this.#outbound.wrote(end);
    return end - at;
  }

  /** False: it is no answer to a publish that waits for one. */
  answered(command: AckCommand, id: number, reasonCode: number): boolean {
    const done = this.#unanswered.get(id);
    if (done === undefined || !this.#isAwaited(command, id, reasonCode)) return false;
    if (command === "pubrec" && reasonCode < REFUSED) {
      this.#awaited[id] = PUBCOMP;
      const out = this.#outbound.room(PUBREL_BYTES);
      this.#outbound.wrote(writePubrel(out, this.#outbound.at, id));
      return true;
    }
    this.#unanswered.delete(id);
    this.#o.ids.deallocate(id);
    done(reasonCode === NO_SUBSCRIBER ? 0 : reasonCode);
    return true;
  }

  /** A record leaves on nothing less. A PUBREC that comes twice asks for its PUBREL again (MQTT-4.3.3-4). */
  #isAwaited(command: AckCommand, id: number, reasonCode: number): boolean {
    const awaited = this.#awaited[id];
    if (command === "puback") return awaited === PUBACK;
    if (command === "pubcomp") return awaited === PUBCOMP;
    return awaited === PUBREC || (awaited === PUBCOMP && reasonCode < REFUSED);
  }

  /** Hands over what waits, now. */
  flush(): void {
    this.#outbound.flush();
  }

  /**
   * A record's topic by its number, once the server knows it. Numbers are never given anew: a fleet of assets in turn
   * would push each other out; what comes too late for one goes by name. They end with the connection (MQTT 5 3.3.2.3.4).
   */
  #named(topic: string, record: boolean): Name {
    const known = this.#names.get(topic);
    if (known !== undefined) return known;
    const name = { topic: Buffer.from(topic), alias: undefined };
    if (!record) return name;
    if (this.#aliases >= this.#o.topicAliasMaximum) {
      this.#names.set(topic, name);
      return name;
    }
    const alias = ++this.#aliases;
    this.#names.set(topic, { topic: NO_NAME, alias });
    return { ...name, alias };
  }
}
