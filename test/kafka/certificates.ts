/** Authorities and what they sign, made by openssl in a folder of their own. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Pair {
  readonly cert: string;
  readonly key: string;
  /** Key and certificate in one file, as Kafka wants them. */
  readonly both: string;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export class Certificates implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "busbar-tls-"));

  /** One that signs others. */
  authority(name: string): Pair {
    const pair = this.#pair(name);
    openssl(["req", "-x509", ...NEW_KEY, "-keyout", pair.key, "-out", pair.cert, "-subj", `/CN=${name}`]);
    return pair;
  }

  /** Good for a server on 127.0.0.1 and for a client. */
  signed(name: string, by: Pair): Pair {
    const pair = this.#pair(name);
    const [request, extension] = [join(this.dir, `${name}.csr`), join(this.dir, `${name}.ext`)];
    openssl(["req", ...NEW_KEY, "-keyout", pair.key, "-out", request, "-subj", `/CN=${name}`]);
    writeFileSync(extension, "subjectAltName=IP:127.0.0.1");
    const authority = ["-CA", by.cert, "-CAkey", by.key, "-CAcreateserial"];
    openssl(["x509", "-req", "-in", request, "-extfile", extension, ...authority, "-out", pair.cert]);
    writeFileSync(pair.both, Buffer.concat([readFileSync(pair.key), readFileSync(pair.cert)]));
    return pair;
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true });
  }

  #pair(name: string): Pair {
    const file = (ending: string): string => join(this.dir, `${name}-${ending}.pem`);
    return { cert: file("cert"), key: file("key"), both: file("both") };
  }
}

function openssl(args: readonly string[]): void {
  const made = spawnSync("openssl", args);
  assert.equal(made.status, 0, made.stderr?.toString());
}
