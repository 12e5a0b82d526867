/** What MQTT goes over: TCP, TLS, or WebSocket over either. */
import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { createWebSocketStream, WebSocket } from "ws";
import type { TlsMaterial } from "../secrets.ts";

/** Begins to connect; `onReached` is called when TCP, and TLS and WebSocket where they are, is up. */
export function openLink(url: URL, tls: TlsMaterial, onReached: () => void): Duplex {
  if (url.protocol === "ws:" || url.protocol === "wss:") return openWebSocket(url, tls, onReached);
  const secure = url.protocol === "mqtts:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (secure ? 8883 : 1883));
  const socket = secure ? connectTls({ host, port, servername: host, ...tls }) : connectTcp({ host, port });
  socket.setNoDelay(true);
  socket.once(secure ? "secureConnect" : "connect", onReached);
  return socket;
}

/** MQTT-6.0.0: binary frames, whose borders mean nothing, under the subprotocol `mqtt`. */
function openWebSocket(url: URL, tls: TlsMaterial, onReached: () => void): Duplex {
  const socket = new WebSocket(url, "mqtt", { ...tls, perMessageDeflate: false });
  socket.once("open", onReached);
  const stream = createWebSocketStream(socket);
  // Half of it would stay open, and no "close" would come.
  stream.once("end", () => stream.destroy());
  return stream;
}
