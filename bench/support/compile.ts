import { spawnSync } from "node:child_process";
import { basename, join } from "node:path";

/**
 * Compiles a C file into `dir`; the path of the program or of the shared library. Undefined where there is no compiler.
 * Throws when the compiler refuses the file.
 */
export function compileC(source: URL, dir: string, kind: "program" | "library"): string | undefined {
  const out = join(dir, `${basename(source.pathname, ".c")}${kind === "library" ? ".so" : ""}`);
  const shared = kind === "library" ? ["-shared", "-fPIC"] : [];
  const { error, status, stderr } = spawnSync("cc", ["-O2", "-Wall", ...shared, "-o", out, source.pathname, "-ldl"], {
    encoding: "utf8",
  });
  if (error !== undefined) return undefined;
  if (status !== 0) throw new Error(`cc ${basename(source.pathname)}: ${stderr}`);
  return out;
}
