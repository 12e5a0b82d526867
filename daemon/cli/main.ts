#!/usr/bin/env node
/** `busbar VERB …`; the verbs are listed in verbs.ts. */
import { systemCode } from "../../core/errors.ts";
import { dispatch } from "./dispatch.ts";

const verb = process.argv[2];

// `busbar status | head -1` closes the pipe under us: that is no error, and nobody reads what is still to come. The
// gateway itself goes on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error) => {
    if (systemCode(error) !== "EPIPE") throw error;
    if (verb !== "run") setImmediate(() => process.exit());
  });
}

process.exitCode = await dispatch(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
