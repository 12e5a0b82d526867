/** The version of package.json (a test holds them together) and the name that births and status carry. */
export const VERSION = "0.1.0";
export const SOFTWARE = `busbar ${VERSION}`;
