/** Configuration of what the daemon itself offers on the local network. */
import { z } from "zod";
import { hostPort } from "../core/schema.ts";

export const fastPathConfig = z.strictObject({
  to: z
    .array(hostPort)
    .default([{ host: "239.255.66.66", port: 47_066 }])
    .meta({ description: "Targets of the datagrams: multicast, broadcast or unicast host:port; an empty list: none" }),
});

const LOOPBACK = /^(127\.|localhost$|::1$)/;

const listener = (what: string, port: number) =>
  z
    .strictObject({
      listen: hostPort.default({ host: "127.0.0.1", port }).meta({ description: `Address of the ${what}` }),
      username: z.string().min(1).optional().meta({ description: "User name that clients must give" }),
      password_file: z.string().min(1).optional().meta({ description: "File whose first line is their password" }),
    })
    .superRefine((value, context) => {
      if (LOOPBACK.test(value.listen.host) || (value.username !== undefined && value.password_file !== undefined))
        return;
      context.addIssue({
        code: "custom",
        path: ["listen"],
        message: "is reachable from the network; allowed: a loopback address, or any with username and password_file",
      });
    });

export const localConfig = z.strictObject({
  mqtt: listener("local MQTT broker", 1883).prefault({}),
  http: listener("status page", 8066).prefault({}),
});

export type FastPathConfig = z.output<typeof fastPathConfig>;
export type LocalConfig = z.output<typeof localConfig>;
