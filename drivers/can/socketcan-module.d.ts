/** Declared here because the package is optional: the types must hold where it could not be compiled. */
declare module "socketcan" {
  const addon: import("./socketcan-addon.ts").Addon;
  export default addon;
}
