// One card per asset: what matters first, then every signal with value, unit, quality and age.
import { age, el, reading } from "./page-dom.js";

/** Shown large, in this order: OCPP measurands of chargers and meters, COVESA VSS paths of vehicles. */
const HEADS = [
  ["Status", "Status"],
  ["Power.Active.Import", "Power"],
  ["Power.Apparent.Import", "Apparent power"],
  ["Vehicle.Powertrain.TractionBattery.CurrentPower", "Battery power"],
  ["SoC", "State of charge"],
  ["Vehicle.Powertrain.TractionBattery.StateOfCharge.Current", "State of charge"],
  ["Energy.Active.Import.Register", "Energy"],
  ["Energy.Apparent.Import", "Apparent energy"],
  ["Energy.Active.Import.Session", "Session energy"],
  ["Vehicle.Speed", "Speed"],
];
const MOST_HEADS = 4;
const TONE = { stale: "warn", bad: "bad" };
/** So many signals are shown without a tap, on a site with few assets. */
const OPEN_UP_TO = 12;

/** `roomy`: few enough assets to show their signals opened. */
export function assetCard(id, asset, now, roomy) {
  const values = new Map(Object.entries(asset.values));
  const heads = HEADS.filter(([name]) => values.has(name)).slice(0, MOST_HEADS);
  const rest = [...values].filter(([name]) => !heads.some(([head]) => head === name));
  const card = el(
    "section",
    "card",
    el(
      "div",
      "row",
      el("span", `dot name ${asset.available ? "good" : "bad"}`, el("span", "", id)),
      el("span", "note", `${asset.kind} · ${asset.available ? "online" : "offline"}`),
    ),
    heads.length === 0
      ? undefined
      : el(
          "div",
          "heads",
          heads.map(([name, label]) => headline(label, values.get(name), now)),
        ),
    values.size === 0 ? el("p", "note", "No value yet.") : undefined,
    rest.length === 0 ? undefined : signals(rest, now, roomy && rest.length <= OPEN_UP_TO),
  );
  card.dataset.key = id;
  return card;
}

function headline(label, value, now) {
  const [text, unit] = reading(value);
  const mark = value.q === "good" ? age(now - value.ts) : `${value.q}, ${age(now - value.ts)}`;
  const tone = TONE[value.q] ?? "";
  return el(
    "div",
    "",
    el("p", "label", label),
    el("p", `value ${tone}`, text, unit === "" ? undefined : el("span", "unit", unit)),
    el("p", `mark ${tone || "note"}`, mark),
  );
}

function signals(rest, now, opened) {
  const details = el(
    "details",
    "",
    el("summary", "", rest.length === 1 ? "1 more signal" : `${rest.length} more signals`),
    el(
      "table",
      "",
      el(
        "tbody",
        "",
        rest.map(([name, value]) => signalRow(name, value, now)),
      ),
    ),
  );
  details.open = opened;
  return details;
}

function signalRow(name, value, now) {
  const [text, unit] = reading(value);
  const tone = TONE[value.q] ?? "";
  const old = age(now - value.ts);
  return el(
    "tr",
    "",
    signalName(name),
    el(
      "td",
      `${typeof value.v === "number" ? "number figure" : "number"} ${tone}`,
      text,
      unit === "" ? undefined : el("span", "", ` ${unit}`),
    ),
    el("td", `age ${tone}`, value.q === "good" ? old : `${value.q}, ${old}`),
  );
}

/** A VSS path: its end says most, so it comes first and large. Lines may break after dots. */
function signalName(name) {
  const parts = name.split(".");
  if (parts[0] !== "Vehicle" || parts.length < 3) return el("td", "signal", broken(parts));
  const tail = parts.length === 3 ? 1 : 2;
  return el("td", "signal", broken(parts.slice(-tail)), el("small", "", broken(parts.slice(0, -tail))));
}

function broken(parts) {
  return parts.flatMap((part, at) => (at === 0 ? [part] : [".", el("wbr", ""), part]));
}
