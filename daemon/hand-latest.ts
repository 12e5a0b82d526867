/** The latest values go over to the gateway that follows: what is read once an hour is shown, and can become stale. */
import type { SignalTable } from "../core/signals.ts";
import type { LatestValues } from "./pipeline/latest.ts";

export interface LatestEnd {
  readonly latest: LatestValues;
  readonly signals: SignalTable["signals"];
}

/** Those of `assets`, by whatever numbers. `now`: the same moment on both clocks. */
export function handLatest(
  from: LatestEnd,
  to: LatestEnd,
  {
    assets,
    now,
  }: { readonly assets: ReadonlySet<string>; readonly now: { readonly wallMs: number; readonly monoMs: number } },
): void {
  const numbers = new Map(to.signals.map(({ n, asset, name }) => [`${asset}\n${name}`, n]));
  from.latest.tellAll();
  const told = from.latest.takeChanged();
  for (const [i, n] of told.numbers.entries()) {
    const signal = from.signals[n - 1];
    const number =
      signal === undefined || !assets.has(signal.asset) ? undefined : numbers.get(`${signal.asset}\n${signal.name}`);
    const [value, quality, ms] = [told.values[i], told.quality[i], told.times[i]];
    if (number === undefined || value === undefined || quality === undefined || ms === undefined) continue;
    const batch = { tUs: ms * 1000, numbers: [number], values: [value], quality: [quality] };
    to.latest.update(batch, now.monoMs - (now.wallMs - ms));
  }
}
