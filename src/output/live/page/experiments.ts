// Table of a lab's experiments: what each is doing or has observed, and its verdict.

import { formatDuration } from "../../../util/units.js";
import { LAB_VERDICT_WORDS } from "../../sentences/words.js";
import type { LiveExperiment, LiveNow } from "../feed.js";
import { byId, make } from "./dom.js";

const WORDS: Readonly<Record<LiveExperiment["state"], string>> = {
  waiting: "not run yet",
  running: "running",
  ...LAB_VERDICT_WORDS,
};

/** Rows drawn before. They are kept until they change, so that a screen reader does not lose its place. */
let drawn: string[] = [];

export function showExperiments({ experiments = [] }: Pick<LiveNow, "experiments">): void {
  const body = byId<HTMLTableElement>("experiments").tBodies[0]!;
  const wanted = experiments.map((experiment) => JSON.stringify(experiment));
  if (wanted.length !== body.rows.length) {
    body.replaceChildren(...experiments.map(() => make("tr")));
    drawn = [];
  }
  for (const [index, experiment] of experiments.entries()) {
    if (wanted[index] !== drawn[index]) body.rows[index]!.replaceWith(rowOf(experiment));
  }
  drawn = wanted;
}

function rowOf({ id, title, state, text, elapsedMs }: LiveExperiment): HTMLTableRowElement {
  const head = make("th", "", `${id}  ${title}`, make("small", "", text));
  head.scope = "row";
  const time = elapsedMs === undefined ? "" : formatDuration(elapsedMs);
  return make("tr", state, head, make("td", "verdict", WORDS[state]), make("td", "number", time));
}
