// Table of a fleet's agents: what each of them has open, how fast it goes, and whether it is lost.

import { formatCount, formatRate } from "../../../util/units.js";
import type { LiveAgent, LiveNow } from "../feed.js";
import { byId, make } from "./dom.js";

export function showAgents({ agents = [] }: Pick<LiveNow, "agents">): void {
  byId<HTMLTableElement>("agents").tBodies[0]!.replaceChildren(...agents.map(rowOf));
}

function rowOf({ name, state, isLost, text, open, ratePerSec, cores, failed }: LiveAgent): HTMLTableRowElement {
  const head = make("th", "", name, make("small", "", text));
  head.scope = "row";
  return make(
    "tr",
    isLost ? "lost" : "",
    head,
    make("td", "state", state),
    make("td", "number", formatCount(open)),
    make("td", "number", `${formatRate(ratePerSec)}/s`),
    make("td", "number", cores.toFixed(2)),
    make("td", "number", formatCount(failed)),
  );
}
