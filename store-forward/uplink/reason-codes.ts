/**
 * mqtt.js's parser takes a PUBACK with a reason that MQTT 5 does not list for it (3.4.2.1) for garbage, and the link with
 * it. Mosquitto 2.0 answers 0x95, packet too large, to a publish above its message_size_limit: the record would be sent
 * for ever, and nothing behind it.
 */
import constants from "mqtt-packet/constants.js";

const PACKET_TOO_LARGE = 0x95;

constants.MQTT5_PUBACK_PUBREC_CODES[PACKET_TOO_LARGE] ??= "Packet too large";
