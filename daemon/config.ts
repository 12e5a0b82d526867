/** Configuration of what the daemon itself offers on the local network. */
import { z } from "zod";
import { filePath, hostPort } from "../core/schema.ts";

export const fastPathConfig = z.strictObject({
  to: z
    .array(hostPort)
    .prefault(["239.255.66.66:47066"])
    .meta({ description: "Targets of the datagrams: multicast, broadcast or unicast host:port; an empty list: none" }),
});

const listener = (what: string, address: string) =>
  z
    .strictObject({
      listen: hostPort
        .prefault(address)
        .meta({ description: `Address of the ${what}; other than loopback only with username and password_file` }),
      username: z.string().min(1).optional().meta({ description: "User name that clients must give" }),
      password_file: filePath.optional().meta({ description: "File whose first line is their password" }),
    })
    .meta({ dependentRequired: { username: ["password_file"], password_file: ["username"] } });

export const localConfig = z.strictObject({
  mqtt: listener("local MQTT broker", "127.0.0.1:1883").prefault({}).meta({ description: "Local MQTT broker" }),
  http: listener("status page", "127.0.0.1:8066").prefault({}).meta({ description: "Status page" }),
});

export type FastPathConfig = z.output<typeof fastPathConfig>;
export type LocalConfig = z.output<typeof localConfig>;
