/** What can go wrong with a link, in words: what it was and what to do. Pure tables; nothing here does I/O. */
import { BusbarError, type ErrorCode, messageOf, systemCode } from "../../core/errors.ts";
import type { UplinkStatus } from "../protocol.ts";

type Fault = readonly [code: ErrorCode, what: string, remedy: string];

const CREDENTIALS = "check uplink.username and uplink.password_file against the server's account of this gateway";
const PERMISSIONS = "allow this gateway its own topics busbar/v1/<slot>/<gateway>/# on the server";
const LATER = "the server is at fault; Busbar tries again by itself";
const TRUST = "set uplink.ca_file to the authority that signed the server's certificate";

const SYSTEM: Readonly<Record<string, Fault>> = {
  ENOTFOUND: ["UPLINK_UNREACHABLE", "the host name is not known", "check uplink.url and the network's DNS"],
  EAI_AGAIN: ["UPLINK_UNREACHABLE", "no DNS server answered", "check the network connection and its DNS"],
  ECONNREFUSED: ["UPLINK_UNREACHABLE", "connection refused", "check that the server runs and the port in uplink.url"],
  ECONNRESET: ["UPLINK_LOST", "the connection was reset", "check the network, and that the port speaks MQTT"],
  EPIPE: ["UPLINK_LOST", "the connection was reset", "check the network, and that the port speaks MQTT"],
  ETIMEDOUT: ["UPLINK_UNREACHABLE", "no answer", "check the network, the firewall and uplink.url"],
  EHOSTUNREACH: ["UPLINK_UNREACHABLE", "no route to the host", "check the network connection"],
  ENETUNREACH: ["UPLINK_UNREACHABLE", "the network is unreachable", "check the network connection"],
  ENETDOWN: ["UPLINK_UNREACHABLE", "the network is down", "check the network connection"],
  CERT_HAS_EXPIRED: ["UPLINK_REFUSED", "the server's certificate has expired", "renew it on the server"],
  CERT_NOT_YET_VALID: [
    "UPLINK_REFUSED",
    "the server's certificate is not valid yet",
    "check this machine's clock, which is probably unset",
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    "UPLINK_REFUSED",
    "the server's certificate names another host",
    "use the name in the certificate in uplink.url, or renew the certificate",
  ],
  DEPTH_ZERO_SELF_SIGNED_CERT: ["UPLINK_REFUSED", "the server's certificate is self-signed", TRUST],
  SELF_SIGNED_CERT_IN_CHAIN: ["UPLINK_REFUSED", "the server's authority is not trusted", TRUST],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ["UPLINK_REFUSED", "the server's authority is not trusted", TRUST],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ["UPLINK_REFUSED", "the server's authority is not trusted", TRUST],
  EPROTO: [
    "UPLINK_REFUSED",
    "the TLS handshake failed",
    "check that the port speaks TLS (else use mqtt:// or ws://), and whether it wants uplink.cert_file",
  ],
};

/** CONNACK return codes of MQTT 3.1.1 (3.2.2.3) and CONNACK, DISCONNECT and PUBACK reason codes of MQTT 5 (2.4). */
const REASONS: Readonly<Record<number, readonly [what: string, remedy: string]>> = {
  1: ["the MQTT version is not accepted", "set uplink.protocol to one that the server speaks"],
  2: ["the client id is not accepted", "allow the gateway's id as client id on the server"],
  3: ["the server is unavailable", LATER],
  4: ["user name or password is wrong", CREDENTIALS],
  5: ["not authorised", CREDENTIALS],
  128: ["the server gave no reason", "read the server's log"],
  129: ["the server could not read a packet", "report this with the server's log"],
  130: ["protocol error", "report this with the server's log"],
  131: ["the server's own limits forbid it", "read the server's log"],
  132: ["the MQTT version is not accepted", "set uplink.protocol to one that the server speaks"],
  133: ["the client id is not accepted", "allow the gateway's id as client id on the server"],
  134: ["user name or password is wrong", CREDENTIALS],
  135: ["not authorised", `${CREDENTIALS}, and ${PERMISSIONS}`],
  136: ["the server is unavailable", LATER],
  137: ["the server is busy", LATER],
  138: ["this client is banned", "lift the ban on the server"],
  139: ["the server is shutting down", LATER],
  140: ["the authentication method is not accepted", "allow user name and password, or a client certificate"],
  141: ["the server heard nothing in time", "check the network, or lengthen uplink.keepalive"],
  142: ["another client connected under this gateway's id", "give each device its own gateway.id"],
  143: ["a topic filter is not accepted", PERMISSIONS],
  144: ["the topic is not accepted", PERMISSIONS],
  145: ["a packet identifier is in use", "report this with the server's log"],
  146: ["a packet identifier is not known", "report this with the server's log"],
  147: ["more publishes than the server's Receive Maximum", "lower uplink.window"],
  149: ["the packet is too large for the server", "raise the server's maximum packet size"],
  150: ["the message rate is too high", "raise the server's rate limit, or lengthen uplink.publish_interval"],
  151: ["a quota is used up", "raise the server's quota of this gateway"],
  152: ["an administrator closed the connection", "ask the server's administrator"],
  153: ["the payload format is not accepted", "turn payload checks off on the server"],
  154: ["retained messages are not supported", "use a server that supports them"],
  155: ["the quality of service is not supported", "lower uplink.qos"],
  156: ["the server asks to use another server", "change uplink.url"],
  157: ["the server has moved", "change uplink.url"],
  159: ["too many connections in a short time", "raise the server's connection rate limit"],
  160: ["the longest connection time was reached", LATER],
};

/** Return and reason codes that say: not this version of MQTT. */
export function refusesVersion(code: number): boolean {
  return code === 0x01 || code === 0x84;
}

/** Reasons for which a record can never pass (DESIGN invariant 4): topic, size, payload format. */
export function isPoison(code: number): boolean {
  return code === 0x90 || code === 0x95 || code === 0x99;
}

/**
 * Reasons for a DISCONNECT that lie with the server, the account or the link: no record is to blame. Not authorised, busy,
 * shutting down, Keep Alive, taken over, Receive Maximum, rate, quota, administrator, another server, connection rate,
 * connection time.
 */
const SERVERS_OWN = new Set([0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8d, 0x8e, 0x93, 0x96, 0x97, 0x98, 0x9c, 0x9d, 0x9f, 0xa0]);

export function isServersOwn(code: number): boolean {
  return SERVERS_OWN.has(code);
}

/** What another server may be called in a message of ours: it comes from outside. */
const REFERENCE = /^[\x21-\x7e]{1,200}$/;

/** `the topic is not accepted (0x90)` and its remedy; `serverReference`: where the server sends us to. */
export function reasonText(code: number, serverReference = ""): { readonly what: string; readonly remedy: string } {
  const [what, remedy] = REASONS[code] ?? ["the server refuses", "read the server's log"];
  const where = REFERENCE.test(serverReference) ? ` to ${serverReference}` : "";
  return { what: `${what} (0x${code.toString(16).padStart(2, "0")})`, remedy: `${remedy}${where}` };
}

/** The server said no, with a return or reason code. */
export function refused(url: string, code: number, serverReference?: string): BusbarError {
  const { what, remedy } = reasonText(code, serverReference);
  return new BusbarError("UPLINK_REFUSED", `uplink ${url}: ${what}`, { remedy });
}

/** The server ended the link with DISCONNECT. */
export function disconnected(url: string, code: number, serverReference?: string): BusbarError {
  const { what, remedy } = reasonText(code, serverReference);
  return new BusbarError("UPLINK_LOST", `uplink ${url}: closed by the server, ${what}`, { remedy });
}

/** The other side closed the connection and gave no reason. */
export function closedByPeer(url: string): BusbarError {
  return new BusbarError("UPLINK_LOST", `uplink ${url}: connection closed by the other side`, {
    remedy: "if this repeats, read the server's log: bad credentials, or another device with this gateway's id",
  });
}

/** The oldest publish without acknowledgement is older than `limitMs`. */
export function stalled(url: string, limitMs: number): BusbarError {
  return new BusbarError("UPLINK_STALLED", `uplink ${url}: no acknowledgement in ${limitMs} ms`, {
    remedy: "the connection is replaced; check the network and the server's load",
  });
}

/** Any error of socket, TLS, WebSocket or MQTT parser as one of ours. */
export function linkError(url: string, cause: unknown): BusbarError {
  if (cause instanceof BusbarError) return cause;
  const code = systemCode(cause);
  const fault = code === undefined ? undefined : SYSTEM[code];
  if (fault !== undefined) {
    return new BusbarError(fault[0], `uplink ${url}: ${fault[1]} (${code})`, { remedy: fault[2], cause });
  }
  if (code !== undefined && /^ERR_(SSL|TLS)_|CERT/.test(code)) {
    const remedy = "check uplink.ca_file, uplink.cert_file and uplink.key_file against the server";
    return new BusbarError("UPLINK_REFUSED", `uplink ${url}: TLS failed (${code})`, { remedy, cause });
  }
  return new BusbarError("UPLINK_LOST", `uplink ${url}: ${messageOf(cause)}`, {
    remedy: "check that the port in uplink.url speaks MQTT",
    cause,
  });
}

/** The server sent what is no MQTT packet. */
export function malformed(url: string): BusbarError {
  return new BusbarError("UPLINK_LOST", `uplink ${url}: the server sent a packet without identifier`, {
    remedy: "check that the port in uplink.url speaks MQTT",
  });
}

/** After CONNACK mqtt.js found something that MQTT forbids. */
export function broken(url: string, what: string): BusbarError {
  return new BusbarError("UPLINK_LOST", `uplink ${url}: the server broke the protocol, ${what}`, {
    remedy: "report this with the server's log",
  });
}

/** The bytes that answered are HTTP: a captive portal, a proxy, or a web server's port. */
export function httpAnswer(url: string): BusbarError {
  return new BusbarError("UPLINK_REFUSED", `uplink ${url}: a web server answered`, {
    remedy: "check the port in uplink.url, and whether the network wants a log-in page (captive portal) or a proxy",
  });
}

/** How the uplink stands after a link ended that way. */
export function stateAfter({ code }: BusbarError): UplinkStatus["state"] {
  if (code === "UPLINK_STALLED") return "stalled";
  return code === "UPLINK_UNREACHABLE" || code === "UPLINK_LOST" ? "down" : "refused";
}
