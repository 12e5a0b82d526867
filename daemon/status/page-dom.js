// Elements and numbers for the status page. Text goes in as text nodes only: values come from buses.

/** An element with a class and children (elements, texts; undefined is left out). */
export function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const child of children.flat()) if (child !== undefined) node.append(child);
  return node;
}

/** Makes `old` look like `fresh` and keeps what need not change: focus, selection, opened details. */
export function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.dataset?.key !== fresh.dataset?.key) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.className !== fresh.className) old.className = fresh.className;
  if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
  const wanted = [...fresh.childNodes];
  const present = [...old.childNodes];
  wanted.forEach((child, at) => {
    if (present[at]) morph(present[at], child);
    else old.append(child);
  });
  for (const extra of present.slice(wanted.length)) extra.remove();
}

/** `0 s`, `12 min`, `3 h 5 min`, `4 d 2 h` of milliseconds. */
export function age(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min`;
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
}

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${at === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[at]}`;
}

export function count(number) {
  return number.toLocaleString("en");
}

const SHORT = { degC: "°C", percent: "%", degrees: "°" };
const PREFIXED = new Set(["W", "Wh", "VA", "VAh", "var", "varh"]);

/** [text, unit] of a value: 7360 W → 7.36 kW, a ratio → percent, null → –. */
export function reading({ v, u }) {
  if (v === null) return ["–", ""];
  if (typeof v !== "number") return [String(v), u ?? ""];
  if (u === "1") return [plain(v * 100), "%"];
  if (u === "By") return bytes(v).split(" ");
  if (PREFIXED.has(u) && Math.abs(v) >= 1000) return [fixed(v / 1000), `k${u}`];
  return [plain(v), SHORT[u] ?? u ?? ""];
}

function plain(number) {
  return number.toLocaleString("en", { maximumFractionDigits: 3 });
}

function fixed(number) {
  return number.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}
