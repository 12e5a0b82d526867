/** The texts by which dpkg and its reader know the package. */
import type { Arch } from "./arch.ts";

const MAINTAINER = "Busbar developers <maintainers@busbar.example>";

export interface ControlFacts {
  readonly version: string;
  readonly arch: Arch;
  readonly installedKib: number;
  readonly depends: readonly string[];
}

export function control({ version, arch, installedKib, depends }: ControlFacts): string {
  return [
    "Package: busbar",
    `Version: ${version}`,
    `Architecture: ${arch.debian}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${installedKib}`,
    `Depends: ${["adduser", ...depends].join(", ")}`,
    "Recommends: systemd",
    "Suggests: can-utils, mosquitto-clients",
    "Section: net",
    "Priority: optional",
    "Description: edge gateway for EV chargers and vehicles",
    " Busbar reads CAN and Modbus (TCP, RTU, RTU over TCP), sends fresh values to the",
    " local network within milliseconds, keeps every value in SQLite while the uplink",
    " is away, and forwards it over MQTT so that nothing is missing, doubled or",
    " invented on the other side.",
    " .",
    " A status page and a local MQTT broker show the technician on site what it does.",
    " The package carries its own Node.js; it needs no network to be installed.",
    "",
  ].join("\n");
}

/** Debian's form of a changelog: the bullets of CHANGELOG.md's newest part. */
export function changelog(version: string, markdown: string, date: Date): string {
  const newest = markdown.split(/^## /m)[1] ?? "";
  const items = newest
    .split(/^- /m)
    .slice(1)
    .map((item) => wrapped(item.split("\n\n", 1)[0] ?? ""));
  const day = date.toUTCString().replace("GMT", "+0000");
  return `busbar (${version}) unstable; urgency=medium\n\n${items.join("\n")}\n\n -- ${MAINTAINER}  ${day}\n`;
}

/** `  * words`, in lines of at most 79 characters. */
function wrapped(text: string): string {
  const lines = ["  *"];
  for (const word of text.trim().split(/\s+/)) {
    const last = lines.length - 1;
    if (`${lines[last]} ${word}`.length < 80) lines[last] += ` ${word}`;
    else lines.push(`    ${word}`);
  }
  return lines.join("\n");
}

export interface ThirdParty {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Its licence's text. */
  readonly text: string;
}

/** Our licence, and word for word those of everything that is inside the package. */
export function copyright(parties: readonly ThirdParty[]): string {
  const head = [
    "Busbar: edge gateway for EV chargers and vehicles.",
    "",
    "Copyright: the Busbar developers",
    "Licence: Apache-2.0; on Debian systems its text is in /usr/share/common-licenses/Apache-2.0.",
    "",
    "The package contains the following works of others, each under the licence behind its name.",
  ].join("\n");
  const theirs = parties.map(({ name, version, licence, text }) => {
    // Debian wants this one named, not repeated.
    const words = licence === "Apache-2.0" ? "See /usr/share/common-licenses/Apache-2.0." : text.trimEnd();
    return `${"=".repeat(78)}\n${name} ${version} (${licence})\n\n${words}\n`;
  });
  return [head, ...theirs].join("\n");
}
