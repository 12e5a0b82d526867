/** What was measured with a long round trip and with a large backlog, as text. */
import { markdownTable } from "../support/table.ts";
import { UPLINK, WINDOW } from "./drain.ts";
import { type Far, ROUND_TRIP_MS } from "./far.ts";
import { atLeast, atMost, percent, type Report, whole } from "./goals.ts";
import { AWAY, DRAINING, type Restarted } from "./restart.ts";

const FAR_GOAL = 0.9;
const COLD_START_GOAL_MS = 1000;
const FIRST_POLL_GOAL_MS = 2000;
const FIRST_RECORD_GOAL_MS = 5000;
const FLAT_MIB = 10;

export function reportFar(measured: readonly Far[]): Report {
  const speed = ({ records, wallMs }: Far): number => (1000 * records) / wallMs;
  const rows = measured.map((one) => {
    return [one.variant, String(one.qos), whole(speed(one)), whole(one.limit), percent(speed(one) / one.limit)];
  });
  const goals = measured
    .filter(({ variant }) => variant === UPLINK)
    .map((one) => {
      const what = `drain at ${ROUND_TRIP_MS} ms round trip, QoS ${one.qos}, of window / round trip`;
      return atLeast({ what, measured: speed(one) / one.limit, limit: FAR_GOAL, show: percent });
    });
  const text = [
    "### Drain over a long way",
    `${whole(measured[0]?.records ?? 0)} records to the same broker behind a proxy that holds everything back for ` +
      `${ROUND_TRIP_MS / 2} ms in each direction, window ${WINDOW}; at QoS 2 a record takes two round trips. Start-up of the ` +
      "window included. The bare loop shows what proxy, broker and machine leave of the limit.",
    markdownTable(["", "QoS", "records/s", "window ÷ round trip", "÷ limit"], rows),
  ];
  return { text: text.join("\n\n"), goals };
}

export function reportRestart(measured: readonly Restarted[]): Report {
  const ms = (value: number | undefined): string => (value === undefined ? "-" : `${whole(value)} ms`);
  const rows = measured.map(({ backlog, uplink, firstPollMs, firstRecordMs, rssMib, mostMib }) => {
    return [whole(backlog), uplink, ms(firstPollMs), ms(firstRecordMs), rssMib.toFixed(0), mostMib.toFixed(0)];
  });
  const most = Math.max(...measured.map(({ backlog }) => backlog));
  const large = measured.filter(({ backlog }) => backlog === most);
  const spread = (uplink: string): number => {
    const rss = measured.filter((one) => one.uplink === uplink).map(({ rssMib }) => rssMib);
    return Math.max(...rss) - Math.min(...rss);
  };
  const mib = (value: number): string => `${value.toFixed(0)} MiB`;
  const of = `with a backlog of ${whole(most)} samples`;
  const firstPoll = Math.max(...large.map(({ firstPollMs }) => firstPollMs));
  const firstRecord = Math.max(...large.map(({ firstRecordMs = 0 }) => firstRecordMs));
  const cold =
    measured.find(({ backlog, uplink }) => backlog === 0 && uplink === DRAINING)?.firstRecordMs ?? Number.NaN;
  const goals = [
    atMost({ what: "cold start to first record", measured: cold, limit: COLD_START_GOAL_MS, show: ms }),
    atMost({ what: `start to first poll ${of}`, measured: firstPoll, limit: FIRST_POLL_GOAL_MS, show: ms }),
    atMost({ what: `start to first record ${of}`, measured: firstRecord, limit: FIRST_RECORD_GOAL_MS, show: ms }),
    atMost({
      what: `resident memory, any backlog, ${AWAY}: spread`,
      measured: spread(AWAY),
      limit: FLAT_MIB,
      show: mib,
    }),
    atMost({
      what: `resident memory, any backlog, ${DRAINING}: spread`,
      measured: spread(DRAINING),
      limit: FLAT_MIB,
      show: mib,
    }),
  ];
  const text = [
    "### Start with a backlog",
    "`busbar run` as packaged on 100 simulated units, its outbox filled before by the outbox's own commits. First " +
      "poll: the first datagram of a reading; first record: a subscriber of the broker has it. RSS MiB: median of the " +
      "second half of the drain, or of 15 s where there is none; 0 samples draining is everyday work with the uplink up.",
    markdownTable(["samples stored", "", "first poll", "first record", "RSS MiB", "peak MiB"], rows),
  ];
  return { text: text.join("\n\n"), goals };
}
