/** What the tests need of Debian; Kafka itself comes from Maven (hw-sim/kafka/parts.ts). */
import { messageOf } from "../../core/errors.ts";
import { run, updateLists, whereIs } from "../vm/tools.ts";

const PACKAGES: Readonly<Record<string, string>> = {
  java: "default-jre-headless",
  mvn: "maven",
  kcat: "kcat",
  mosquitto: "mosquitto",
};
const APT = ["-o", "DPkg::Lock::Timeout=120", "-qq"];
const APT_LIMIT_MS = 600_000;

/** Why the suite cannot run here and what to do, or undefined. Root without a package installs it. */
export function provideFromDebian(): string | undefined {
  if (process.getuid?.() === 0 && absent().length > 0 && whereIs("apt-get") !== undefined) install(absent());
  const rest = absent();
  return rest.length === 0 ? undefined : `not installed: ${rest.join(" ")} (apt-get install ${rest.join(" ")})`;
}

function install(packages: readonly string[]): void {
  console.log(`kafka: installing ${packages.join(" ")}`);
  try {
    updateLists();
    run("apt-get", [...APT, "install", "-y", "--no-install-recommends", ...packages], { limitMs: APT_LIMIT_MS });
  } catch (error) {
    console.log(messageOf(error));
  }
}

function absent(): string[] {
  return Object.entries(PACKAGES).flatMap(([program, name]) => (whereIs(program) === undefined ? [name] : []));
}
