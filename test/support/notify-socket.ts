/** systemd's end of sd_notify(3): a Unix datagram socket, which Node has not, held by perl. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const RECEIVER = `
use Socket;
$| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
bind($s, pack_sockaddr_un($ARGV[0])) or die $!;
print "bound\\n";
while (defined recv($s, my $text, 65536, 0)) { $text =~ s/\\n/\\t/g; print "$text\\n"; }
`;

/** Put before the gateway's command, as systemd/busbar.service does. */
export const LAUNCHER = ["perl", fileURLToPath(new URL("../../systemd/notify-launcher", import.meta.url))] as const;
/** Why a test that needs it is skipped; false where it is not. */
export const NO_PERL = spawnSync("perl", ["-MSocket", "-e", "1"]).status !== 0 && "perl is not installed";

export interface Notice {
  readonly atMs: number;
  readonly fields: Readonly<Record<string, string>>;
}

export class NotifySocket implements Disposable {
  readonly path: string;
  readonly notices: Notice[] = [];
  readonly #child: ChildProcess;

  private constructor(path: string, child: ChildProcess) {
    this.path = path;
    this.#child = child;
  }

  static async open(dir: string): Promise<NotifySocket> {
    const path = join(dir, "notify");
    const child = spawn("perl", ["-e", RECEIVER, path], { stdio: ["ignore", "pipe", "inherit"] });
    const socket = new NotifySocket(path, child);
    const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
    await once(lines, "line");
    lines.on("line", (line) => {
      const fields = Object.fromEntries(line.split("\t").map((field) => field.split(/=(.*)/s).slice(0, 2)));
      socket.notices.push({ atMs: performance.now(), fields });
    });
    return socket;
  }

  /** Those that carry this key. */
  with(key: string): Notice[] {
    return this.notices.filter(({ fields }) => fields[key] !== undefined);
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}
