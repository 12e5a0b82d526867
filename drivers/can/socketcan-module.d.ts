/** Declared here because the package is optional: the types must hold where it could not be compiled. */
declare module "socketcan" {
  export const createRawChannel: import("./socketcan-addon.ts").Addon["createRawChannel"];
}
