import type { Snapshot } from "../daemon/status/protocol.ts";
import { columnsOf, renderTable } from "../daemon/status/table.ts";

export interface Addresses {
  readonly cloud: string;
  readonly localMqtt: string;
  readonly page: string;
  readonly udp: string;
  readonly ledger: string;
  readonly outbox: string;
  readonly control: string;
  readonly log: string;
}

/** Shows one snapshot after another; undefined while the gateway does not answer. */
export interface View {
  show(snapshot: Snapshot | undefined): void;
  close(): void;
}

const LINE_EVERY_MS = 10_000;
const HOME_AND_CLEAR = "\x1b[H\x1b[J";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

function introduction(addresses: Addresses): string {
  const port = new URL(addresses.localMqtt).port;
  return `Busbar demo: a simulated depot, the gateway, and a stand-in for the cloud broker.

  status page      ${addresses.page}
  local broker     ${addresses.localMqtt}
  cloud broker     ${addresses.cloud}
  UDP datagrams    ${addresses.udp}
  outbox           ${addresses.outbox}
  ledger           ${addresses.ledger}   (what the simulated devices served)

Look closer, in another terminal:
  mosquitto_sub -p ${port} -v -t 'busbar/#'                     every value on the local broker (or any MQTT 3.1.1 client)
  npx busbar fastpath listen                                the datagrams, with loss and latency
  npm run sim -- cut uplink      then  restore uplink       watch the outbox fill and drain
  npm run sim -- cut wallbox-1   then  restore wallbox-1    a charger goes away and comes back
`;
}

/** A live table that redraws itself in place. */
export function tableView(addresses: Addresses): View {
  const intro = introduction(addresses);
  process.stdout.write(HIDE_CURSOR);
  return {
    show(snapshot) {
      const columns = columnsOf(process.stdout);
      const body =
        snapshot === undefined
          ? `starting … (log: ${addresses.log})\n`
          : renderTable(snapshot, columns, { color: true });
      process.stdout.write(
        `${HOME_AND_CLEAR}${intro}\n${body}\nCtrl-C ends it all; the gateway logs to ${addresses.log}\n`,
      );
    },
    close() {
      process.stdout.write(`${SHOW_CURSOR}\nstopping …\n`);
    },
  };
}

/** The addresses once, then a line every ten seconds. */
export function lineView(addresses: Addresses): View {
  process.stdout.write(`${introduction(addresses)}\n`);
  let next = 0;
  return {
    show(snapshot) {
      if (snapshot === undefined || Date.now() < next) return;
      next = Date.now() + LINE_EVERY_MS;
      process.stdout.write(`${summary(snapshot)}\n`);
    },
    close() {
      process.stdout.write("stopping …\n");
    },
  };
}

function summary(snapshot: Snapshot): string {
  const assets = Object.values(snapshot.assets);
  const live = assets.filter((asset) => asset.available).length;
  const uplink = snapshot.uplink?.state ?? "starting";
  const waiting = snapshot.outbox?.waiting ?? 0;
  const acked = snapshot.uplink?.records_acked ?? 0;
  const time = new Date(snapshot.ts).toISOString().slice(11, 19);
  return `${time} assets ${live}/${assets.length} live, uplink ${uplink}, ${acked} records acknowledged, ${waiting} waiting`;
}
