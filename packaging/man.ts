/** The man page, written from what the commands say of themselves. */
import { VERBS } from "../daemon/cli/verbs.ts";

const FILES: readonly (readonly [path: string, what: string])[] = [
  ["/etc/busbar/busbar.yaml", "The configuration. /usr/share/doc/busbar/CONFIGURATION.md lists every key."],
  ["/etc/busbar/secrets/", "Passwords and keys that the configuration names, readable for the service only."],
  [
    "/var/lib/busbar/",
    "The outbox: what the cloud does not have yet. Kept when the package is removed, not when it is purged.",
  ],
  ["/usr/lib/busbar/app/profiles/", "Device profiles by their names; a profile of your own is named by its path."],
  ["/dev/busbar/", "USB serial adapters under names that stay."],
];

const EXIT: readonly (readonly [code: string, what: string])[] = [
  ["0", "Done; of run: stopped in order."],
  ["1", "Failed; the message tells why."],
  ["64", "Wrong usage."],
  ["69", "The gateway does not answer (status)."],
  ["70", "A defect of the program."],
  ["78", "The configuration is wrong; every error is told with its line. Nothing was opened."],
];

/** `busbar.1` in roff; `date` as YYYY-MM-DD. */
export async function manPage(version: string, date: string): Promise<string> {
  const verbs: string[] = [];
  for (const [name, { summary, load }] of Object.entries(VERBS)) {
    const { usage } = await load();
    verbs.push(`.SS ${name}`, `${text(summary)}.`);
    if (usage === undefined) verbs.push(".PP", text(`busbar ${name} --help lists its options.`));
    else verbs.push(".PP", ".nf", text(usage), ".fi");
  }
  return `${[
    `.TH BUSBAR 1 "${date}" "busbar ${version}" "User Commands"`,
    ".SH NAME",
    "busbar \\- edge gateway for EV chargers and vehicles",
    ".SH SYNOPSIS",
    ".B busbar",
    ".I VERB",
    ".RI [ OPTIONS ]",
    ".SH DESCRIPTION",
    text(
      "Reads CAN and Modbus, sends fresh values to the local network, keeps every value on disk until the cloud has it, " +
        "and forwards it over MQTT. As a service it runs as busbar.service: systemctl status busbar, journalctl -u busbar.",
    ),
    ".SH COMMANDS",
    ...verbs,
    ".SH SIGNALS",
    ...entries([
      ["SIGTERM, SIGINT", "Stops in order: buses first, then what was read is made durable, within 15 seconds."],
      ["SIGHUP", "Reads the configuration anew. A wrong one is told and changes nothing."],
    ]),
    ".SH FILES",
    ...entries(FILES),
    ".SH EXIT STATUS",
    ...entries(EXIT),
    ".SH SEE ALSO",
    text("/usr/share/doc/busbar/INSTALL.md, systemctl(1), journalctl(1)"),
  ].join("\n")}\n`;
}

function entries(rows: readonly (readonly [term: string, what: string])[]): string[] {
  return rows.flatMap(([term, what]) => [".TP", `.B ${text(term)}`, text(what)]);
}

/** A backslash, a hyphen that may be typed, and a line that begins like a command mean something to roff. */
function text(plain: string): string {
  return plain
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/gm, "\\&$1");
}
