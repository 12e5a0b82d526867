// The status page: asks /api/status every second and draws what it says.
import { assetCard } from "./page-assets.js";
import { age, bytes, count, el, morph } from "./page-dom.js";

const EVERY_MS = 1000;
const TIMEOUT_MS = 4000;
const TONE = { ok: "good", degraded: "warn", failed: "bad" };
const HEALTH = { ok: "All good", degraded: "Works, with trouble", failed: "Needs attention" };
const UPLINK = {
  up: ["Connected", "good", "The cloud acknowledges what is sent."],
  connecting: ["Connecting …", "warn", "Data is kept on disk until the connection stands."],
  down: ["Not connected", "warn", "Data is kept on disk and sent when the connection is back."],
  refused: [
    "Refused by the cloud",
    "bad",
    "It does not heal by itself: check user name, password, certificate and permissions. Data is kept on disk.",
  ],
  stalled: ["No acknowledgements", "warn", "The connection is replaced by itself. Data is kept on disk."],
};
const SOURCE = {
  starting: ["starting", "warn"],
  up: ["up", "good"],
  degraded: ["degraded", "warn"],
  down: ["down", "bad"],
};

function header(status) {
  const { health } = status;
  return [
    el(
      "header",
      "",
      el("h1", "", status.gateway),
      el("span", `pill ${TONE[health.status]}`, HEALTH[health.status]),
      el("p", "meta", `${status.software} · running for ${age(status.uptime_s * 1000)} · ${status.config_file}`),
    ),
    health.reasons.length === 0
      ? undefined
      : el(
          "ul",
          `reasons ${TONE[health.status]}`,
          health.reasons.map((reason) => el("li", "", reason)),
        ),
  ];
}

function uplinkCard({ uplink, ts }) {
  if (uplink === undefined) return card("Uplink", "Not started yet", "warn", []);
  const [title, tone, words] = UPLINK[uplink.state] ?? [uplink.state, "warn", ""];
  const version = uplink.protocol === undefined ? "" : ` · MQTT ${uplink.protocol}`;
  return card("Uplink", title, tone, [
    el("p", "note", words),
    uplink.error === undefined ? undefined : el("p", `error ${tone}`, uplink.error),
    uplink.warning === undefined ? undefined : el("p", "error warn", uplink.warning),
    facts([
      ["For", age(ts - uplink.since)],
      ["Acknowledged", `${count(uplink.records_acked)} records`],
      ["On the way", `${uplink.inflight} of ${uplink.window}`],
      ["Sent", bytes(uplink.bytes_sent)],
      ...(uplink.traffic === undefined ? [] : [[`Sent in ${uplink.traffic.month}`, bytes(uplink.traffic.bytes)]]),
    ]),
    el("p", "note", `${uplink.url}${version}`),
  ]);
}

function outboxCard({ outbox, ts }) {
  if (outbox === undefined) return card("Outbox", "Not open yet", "warn", []);
  const waits = outbox.waiting > 0;
  const title = !waits
    ? "Nothing waits"
    : outbox.waiting === 1
      ? "1 record waits"
      : `${count(outbox.waiting)} records wait`;
  const drops = Object.entries(outbox.drops).filter(([, samples]) => samples > 0);
  const told = drops.map(([reason, samples]) => `${count(samples)} (${reason})`).join(", ");
  const broken = outbox.state !== "ok";
  return card("Outbox", broken ? "Cannot be written" : title, broken ? "bad" : "", [
    bar(outbox.bytes / outbox.max_bytes),
    broken ? el("p", "error bad", outbox.error ?? "check the disk") : undefined,
    !broken && outbox.error !== undefined ? el("p", "error warn", outbox.error) : undefined,
    outbox.renewing ? el("p", "note", "What waits gets new numbers: the cloud knows the old ones.") : undefined,
    drops.length > 0 ? el("p", "error bad", `Samples dropped: ${told}`) : undefined,
    facts([
      ["On disk", `${bytes(outbox.bytes)} of ${bytes(outbox.max_bytes)}`],
      ["Oldest waiting", waits ? age(outbox.oldest_age_s * 1000) : "–"],
      ["Durable until", outbox.durable_until > 0 ? durable(outbox.durable_until, ts) : "–"],
      ["Epoch", outbox.epoch],
      ["Boot", String(outbox.boot)],
      ...writes(outbox),
      ...(outbox.clock_jumps === undefined ? [] : [["Clock jumps", `${outbox.clock_jumps} since the start`]]),
      ...(outbox.salvage === undefined
        ? []
        : [["Taken over", `${count(outbox.salvage.records)} records of ${outbox.salvage.file}`]]),
    ]),
  ]);
}

function writes({
  written_today_bytes: written,
  daily_writes_bytes: allowed,
  stretched_commit_interval_ms: stretched,
}) {
  if (written === undefined) return [];
  const today = allowed === undefined ? bytes(written) : `${bytes(written)} of ${bytes(allowed)}`;
  const facts = [["Written today (UTC)", today]];
  return stretched === undefined ? facts : [...facts, ["Committed every", `${age(stretched)}, to keep to it`]];
}

function durable(until, now) {
  return `${new Date(until).toLocaleTimeString("en-GB")} (${age(now - until)} ago)`;
}

function hostCard({ host, fast_path: fast }) {
  const percent = (value) => (value === null ? "–" : `${value} %`);
  const lines =
    host === undefined
      ? []
      : [
          ["Processor", percent(host.cpu_percent)],
          ["Memory", percent(host.memory_used_percent)],
          ["Disk", percent(host.disk_used_percent)],
          ["Temperature", host.temperature_c === null ? "no sensor" : `${host.temperature_c} °C`],
          ["Busbar uses", `${host.rss_mib} MiB`],
          ["Machine up", age(host.uptime_s * 1000)],
        ];
  return el(
    "section",
    "card",
    el("h3", "", "Gateway"),
    facts([...lines, ["Datagrams", `${count(fast.datagrams)} to ${fast.targets.join(", ") || "nobody"}`]]),
    fast.error === undefined ? undefined : el("p", "error warn", fast.error),
  );
}

function sourceRow(source, now) {
  const [word, tone] = SOURCE[source.state] ?? [source.state, "warn"];
  const restarts =
    source.restarts === 0 ? "" : ` · ${count(source.restarts)} ${source.restarts === 1 ? "restart" : "restarts"}`;
  return el(
    "div",
    "card source",
    el(
      "div",
      "row",
      el("span", `dot name ${tone}`, el("span", "", source.id)),
      el("span", tone, word),
      el("span", "note", `for ${age(now - source.since)} · ${count(source.batches)} reads${restarts}`),
    ),
    el("p", "note", source.label),
    source.lost === 0
      ? undefined
      : el(
          "p",
          "error bad",
          `Frames lost since the start: ${count(source.lost)}. The gateway was too busy to read them.`,
        ),
    source.error === undefined ? undefined : el("p", `error ${tone === "bad" ? "bad" : "warn"}`, source.error),
    el(
      "ul",
      "devices",
      source.devices.map((device) => deviceItem(device, source.error)),
    ),
  );
}

/** A line that is down is so for all of its devices, and says why once. */
function deviceItem({ asset, ok, error }, known) {
  const own = error === undefined || error === known ? undefined : error;
  const text = own === undefined ? asset : `${asset}: ${own}`;
  const tone = ok ? "good" : error === undefined ? "warn" : "bad";
  return el("li", `dot ${tone}${own === undefined ? "" : " broken"}`, el("span", "", text));
}

function card(title, state, tone, children) {
  return el("section", "card", el("h3", "", title), el("p", `state ${tone}`, state), ...children);
}

function facts(pairs) {
  return el(
    "dl",
    "",
    pairs.flatMap(([name, value]) => [el("dt", "", name), el("dd", "", value)]),
  );
}

function bar(ratio) {
  const fill = el("i", "");
  fill.style.width = `${Math.min(100, Math.max(0, ratio * 100))}%`;
  return el("div", "bar", fill);
}

function page(status) {
  const assets = Object.entries(status.assets);
  const roomy = assets.length <= 6;
  const view = el(
    "main",
    "",
    ...header(status),
    el("div", "grid top", uplinkCard(status), outboxCard(status), hostCard(status)),
    el("h2", "", `Sources (${status.sources.length})`),
    status.sources.map((source) => sourceRow(source, status.ts)),
    el("h2", "", `Assets (${assets.length})`),
    el(
      "div",
      "grid assets",
      assets.map(([id, asset]) => assetCard(id, asset, status.ts, roomy)),
    ),
    el("footer", "", "The same facts as JSON: /api/status, /api/health; and on the local MQTT broker under busbar/"),
  );
  view.id = "view";
  return view;
}

let lastAnswer = performance.now();

async function refresh() {
  try {
    const response = await fetch("/api/status", { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
    if (!response.ok) throw new Error(String(response.status));
    const status = await response.json();
    morph(document.getElementById("view"), page(status));
    document.title = `${status.health.status === "ok" ? "" : "⚠ "}${status.gateway}`;
    lastAnswer = performance.now();
  } catch (error) {
    console.warn(error);
  }
  const silent = performance.now() - lastAnswer;
  const lost = document.getElementById("lost");
  lost.hidden = silent < 3 * EVERY_MS;
  lost.textContent = `No answer from the gateway for ${age(silent)}. What you see below is old.`;
  document.body.classList.toggle("old", !lost.hidden);
  setTimeout(refresh, EVERY_MS);
}

void refresh();
