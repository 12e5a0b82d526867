/** Configuration of a Modbus source: one line (serial port or TCP connection) and the devices on it. */
import { z } from "zod";
import { assetId, deviceId, duration, hostName, profileRef } from "../../core/schema.ts";

const BAUD_RATES = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200] as const;

const tcp = z.strictObject({
  host: hostName.meta({ description: "Name or address of the device or serial server" }),
  port: z.int().min(1).max(65_535).default(502).meta({ description: "TCP port" }),
});

const rtu = z.strictObject({
  port: z.string().min(1).meta({ description: "Serial device, such as /dev/ttyUSB0" }),
  baud: z
    .literal(BAUD_RATES)
    .optional()
    .meta({ description: "Baud rate; default: what the first device's profile says, else 9600" }),
  format: z
    .enum(["8N1", "8N2", "8E1", "8O1"])
    .optional()
    .meta({ description: "Data bits, parity, stop bits; default: what the first device's profile says, else 8N1" }),
});

const device = z.strictObject({
  id: deviceId.meta({ description: "Asset id of the device, unique in the file" }),
  unit: z.int().min(0).max(255).default(1).meta({ description: "Unit id: 1 to 247 on serial lines, 0 to 255 on TCP" }),
  profile: profileRef.meta({ description: "What the device is" }),
  poll_interval: duration("50 ms", "1 h")
    .optional()
    .meta({ description: "Interval of the first poll group; default: the profile's" }),
  timeout: duration("50 ms", "30 s").prefault("1 s").meta({ description: "How long to wait for a reply" }),
});

export const modbusSourceConfig = z
  .strictObject({
    id: assetId.meta({ description: "Name of the source, unique in the file" }),
    driver: z.literal("modbus").meta({ description: "The family of devices" }),
    tcp: tcp.optional().meta({ description: "Modbus TCP" }),
    rtu: rtu.optional().meta({ description: "Modbus RTU on a serial port" }),
    rtu_over_tcp: tcp.optional().meta({ description: "Modbus RTU frames over a TCP connection (serial server)" }),
    control: z.literal("none").default("none").meta({ description: "What may be written: nothing" }),
    devices: z.array(device).min(1).meta({ description: "The devices on this line" }),
  })
  .meta({ oneOf: [{ required: ["tcp"] }, { required: ["rtu"] }, { required: ["rtu_over_tcp"] }] });

export type ModbusSourceConfig = z.output<typeof modbusSourceConfig>;
export type ModbusDeviceConfig = ModbusSourceConfig["devices"][number];
