/**
 * What arrived on one connection and is not acknowledged. Its owners may be done with it in any order; the server hears of
 * it in the order of arrival (MQTT-4.6.0-2).
 */

/** A publish that arrived; its topic and payload are views of what was read. */
export interface Received {
  readonly topic: string;
  readonly payload: Buffer;
  /** As the session's options say. */
  readonly life: number;
  readonly arrivedMs: number;
  /** To be called once, when it is in Kafka; on a connection that is gone it does nothing. */
  ack(): void;
}

export class Unacked {
  readonly #waiting: Message[] = [];
  readonly #acknowledge: (messageIds: readonly number[]) => void;
  #scheduled = false;

  constructor(acknowledge: (messageIds: readonly number[]) => void) {
    this.#acknowledge = acknowledge;
  }

  /** `messageId` undefined: QoS 0, nobody waits for an acknowledgement. */
  take(arrived: Omit<Received, "ack">, messageId: number | undefined): Received {
    const message = new Message(arrived, messageId ?? 0, messageId === undefined ? ignore : this.#acked);
    if (messageId !== undefined) this.#waiting.push(message);
    return message;
  }

  /** Acknowledges what is due, now. */
  flush(): void {
    this.#scheduled = false;
    const open = this.#waiting.findIndex(({ done }) => !done);
    const due = this.#waiting.splice(0, open < 0 ? this.#waiting.length : open);
    if (due.length > 0) this.#acknowledge(due.map(({ messageId }) => messageId));
  }

  readonly #acked = (): void => {
    // A batch is acknowledged message by message in one turn of the event loop: looked at once, afterwards.
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.flush());
  };
}

const ignore = (): void => {};

/** One object from the wire to the commit: there are thousands of them at a time. */
class Message implements Received {
  readonly topic: string;
  readonly payload: Buffer;
  readonly life: number;
  readonly arrivedMs: number;
  readonly messageId: number;
  readonly #acked: () => void;
  done = false;

  constructor({ topic, payload, life, arrivedMs }: Omit<Received, "ack">, messageId: number, acked: () => void) {
    this.topic = topic;
    this.payload = payload;
    this.life = life;
    this.arrivedMs = arrivedMs;
    this.messageId = messageId;
    this.#acked = acked;
  }

  ack(): void {
    this.done = true;
    this.#acked();
  }
}
