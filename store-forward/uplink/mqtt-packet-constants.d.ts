/** The table of mqtt-packet 9 that reason-codes.ts adds to; the package brings no types for it. */
declare module "mqtt-packet/constants.js" {
  const constants: { readonly MQTT5_PUBACK_PUBREC_CODES: Record<number, string> };
  export default constants;
}
