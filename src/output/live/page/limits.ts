// Tables of the limits' headroom and of the failures by cause.

import type { Usage } from "../../../capacity/limits/headroom.js";
import { formatBytes, formatCount } from "../../../util/units.js";
import type { LiveNow } from "../feed.js";
import { byId, make } from "./dom.js";

export function showLimits({ limits, binding }: Pick<LiveNow, "limits" | "binding">): void {
  byId("binding").textContent = binding
    ? `Next limit: ${binding.name}, at about ${formatCount(roundedTo2(binding.connections))} connections.`
    : "How much of each limit on this host is left.";
  const body = byId<HTMLTableElement>("limits").tBodies[0]!;
  const rows = limits.map((limit) => {
    const { name, used } = limit;
    const share = limit.limit > 0 ? Math.min(1, Math.max(0, used / limit.limit)) : 1;
    const fill = make("i");
    fill.style.transform = `scaleX(${share})`;
    const meter = make("span", "meter", fill);
    meter.setAttribute("role", "meter");
    meter.setAttribute("aria-label", name);
    meter.setAttribute("aria-valuemin", "0");
    meter.setAttribute("aria-valuemax", "100");
    meter.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    const head = make("th", "", ...breakable(name), meter);
    head.scope = "row";
    // Screen readers would pause where the name may break, and read the meter as a part of it.
    head.setAttribute("aria-label", name);
    const row = make("tr", name === binding?.name ? "binding" : "", head);
    row.append(make("td", "number", amount(limit, used)), make("td", "number", amount(limit, limit.limit)));
    return row;
  });
  body.replaceChildren(...rows);
}

export function showFailures({ failures = [] }: Pick<LiveNow, "failures">): void {
  const table = byId<HTMLTableElement>("failures");
  table.hidden = failures.length === 0;
  byId("no-failures").hidden = failures.length > 0;
  table.tBodies[0]!.replaceChildren(
    ...failures.map(({ phase, cause, count }) =>
      make("tr", "", make("td", "", phase), make("td", "", cause), make("td", "number", formatCount(count))),
    ),
  );
}

/** Returns a name such as `net.ipv4.tcp_max_tw_buckets` in parts, so that narrow columns break it between words. */
function breakable(name: string): (string | Node)[] {
  return name.split(/(?<=[._])/).flatMap((part, index) => (index === 0 ? [part] : [make("wbr"), part]));
}

function amount({ unit }: Usage, value: number): string {
  if (unit === "bytes") return formatBytes(Math.max(0, value));
  if (unit === "pages") return formatBytes(value * 4096);
  return unit === "cores" ? String(Math.round(value * 100) / 100) : formatCount(value);
}

/**
 * Rounds a prediction to two digits, because it is no more accurate than that.
 */
function roundedTo2(value: number): number {
  return Number(value.toPrecision(2));
}
