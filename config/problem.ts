export type Path = readonly (string | number)[];

/** A mistake whose line is not looked up yet. */
export interface Problem {
  readonly path: Path;
  readonly message: string;
}

/** `sources[0].signals["Vehicle.Speed"]` */
export function formatPath(path: Path): string {
  const parts = path.map((part) => {
    if (typeof part === "number") return `[${part}]`;
    return /^[A-Za-z_][\w-]*$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`;
  });
  return parts.join("").replace(/^\./, "");
}
