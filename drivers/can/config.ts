/** Configuration of a CAN source: one interface and the devices (vehicles, DC chargers) seen on it. */
import { z } from "zod";
import { assetId, duration } from "../../core/schema.ts";

export const CAN_INTERFACE = /^(socketcan:[A-Za-z0-9._-]{1,15}|sim:[a-z0-9-]{1,48}|log:.+)$/;

const device = z.strictObject({
  id: assetId.meta({ description: "Asset id of the device, unique in the file" }),
  profile: z.string().min(1).optional().meta({ description: "Profile id, or the path of a profile file (./… or /…)" }),
  dbc: z.string().min(1).optional().meta({ description: "A DBC file of yours, instead of a profile" }),
  signals: z
    .record(z.string(), z.string().regex(/^[^.]+\.[^.]+$/, "is no DBC signal; allowed: Message.Signal"))
    .optional()
    .meta({ description: "With dbc: signal name to Message.Signal" }),
  max_age: duration("100 ms", "1 d")
    .optional()
    .meta({ description: "Without a frame for this long a signal is stale" }),
});

export const canSourceConfig = z.strictObject({
  id: assetId.meta({ description: "Name of the source, unique in the file" }),
  driver: z.literal("can"),
  interface: z
    .string()
    .regex(CAN_INTERFACE, "is no CAN interface; allowed: socketcan:can0, sim:<bus>, log:<candump file>")
    .meta({ description: "socketcan:<interface>, sim:<bus> or log:<candump file>" }),
  transmit: z.literal("none").default("none").meta({ description: "What may be sent on the bus: nothing" }),
  devices: z.array(device).min(1).meta({ description: "The devices on this bus" }),
});

export type CanSourceConfig = z.output<typeof canSourceConfig>;
export type CanDeviceConfig = CanSourceConfig["devices"][number];
