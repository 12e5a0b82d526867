/** What went wrong with an MQTT connection, in words with a remedy. */
import { BusbarError, messageOf, systemCode } from "../../core/errors.ts";

interface Fault {
  readonly what: string;
  readonly remedy?: string;
}

const CREDENTIALS = "check mqtt.username and mqtt.password_file";
/** CONNACK and DISCONNECT reason codes of MQTT 5; below 0x80 the return codes of 3.1.1. */
const REASONS: Readonly<Record<number, Fault>> = {
  1: { what: "does not take this version of MQTT", remedy: "set mqtt.protocol to 3.1.1 or auto" },
  2: { what: "refuses the client id" },
  3: { what: "is not available" },
  4: { what: "refuses user name or password", remedy: CREDENTIALS },
  5: { what: "does not authorise this client", remedy: CREDENTIALS },
  132: { what: "does not take this version of MQTT", remedy: "set mqtt.protocol to 3.1.1 or auto" },
  134: { what: "refuses user name or password", remedy: CREDENTIALS },
  135: { what: "does not authorise this client", remedy: CREDENTIALS },
  137: { what: "is busy" },
  139: { what: "shuts down" },
  141: { what: "got no packet in time" },
  142: {
    what: "gave the session to another connection with the same client id",
    remedy: "if it keeps happening, two bridges with the same bridge.group read from different Kafka clusters",
  },
  147: { what: "was sent too many publishes" },
  151: { what: "says that a quota is exceeded", remedy: "raise the quota of this client on the server" },
};
const QUOTA_EXCEEDED = 151;
const VERSION_CODES: readonly number[] = [1, 132];

export class ConnackError extends BusbarError {
  /** The other version of MQTT may do. */
  readonly versionRefused: boolean;

  constructor(what: string, code: number, remedy: string | undefined) {
    super("BRIDGE_MQTT", what, remedy === undefined ? {} : { remedy });
    this.versionRefused = VERSION_CODES.includes(code);
  }
}

export function connackError(url: string, code: number, reason: string | undefined): ConnackError {
  const { what, remedy } = REASONS[code] ?? { what: `refuses the connection with code ${code}` };
  return new ConnackError(`mqtt ${url}: ${what}${reason === undefined ? "" : ` (${reason})`}`, code, remedy);
}

/** It took the connection, but not what was asked for or sent on it. `remedy`: for all but quotas. */
export function refusalError(
  url: string,
  what: string,
  { code, remedy }: { code: number; remedy: string },
): BusbarError {
  const fault = REASONS[code];
  const hex = `0x${code.toString(16)}`;
  const said = fault === undefined ? hex : `${hex}, it ${fault.what}`;
  return new BusbarError("BRIDGE_MQTT", `mqtt ${url}: refuses ${what} (${said})`, {
    remedy: code === QUOTA_EXCEEDED ? (fault?.remedy ?? remedy) : remedy,
  });
}

export function disconnectError(url: string, code: number): BusbarError {
  const { what, remedy } = REASONS[code] ?? { what: `disconnected us with code ${code}` };
  return new BusbarError("BRIDGE_MQTT", `mqtt ${url}: ${what}`, remedy === undefined ? {} : { remedy });
}

/** How far a connection was. */
export type Stage = "connecting" | "logging in" | "connected";

const CHECK_URL = "check mqtt.url and that the server runs";
/** OpenSSL's name for the other side's last word. */
const ALERT = /^ERR_SSL_.*ALERT/;
const TLS = /CERT|SSL|TLS|SIGNATURE|ALTNAME/;

export function goneError(url: string, stage: Stage, cause: Error | undefined): BusbarError {
  // TLS 1.3 is up for us before the server has looked at our certificate; its refusal may get lost with the connection.
  const early =
    stage === "logging in" && /^(mqtts|wss):/.test(url)
      ? { remedy: `${CHECK_URL}; where it asks for a certificate, mqtt.cert_file` }
      : {};
  if (cause === undefined) {
    return new BusbarError("BRIDGE_MQTT", `mqtt ${url}: the other side closed the connection`, early);
  }
  const code = systemCode(cause) ?? "";
  const what = `mqtt ${url}: ${stage === "connecting" ? "not reachable" : "connection lost"}`;
  if (ALERT.test(code)) {
    const remedy = "check mqtt.cert_file and mqtt.key_file, and what the server's log says";
    return new BusbarError("BRIDGE_MQTT", `${what} (the server refuses TLS: ${code})`, { remedy, cause });
  }
  const remedy = TLS.test(code) ? "check mqtt.ca_file and the server's certificate" : (early.remedy ?? CHECK_URL);
  return new BusbarError("BRIDGE_MQTT", `${what} (${messageOf(cause) || code})`, { remedy, cause });
}
