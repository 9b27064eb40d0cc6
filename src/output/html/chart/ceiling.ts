// What each limit allows, as bars on a log axis, the lowest first; the one that binds and what was wanted are marked. Limits without
// a number have a line each that says so.

import * as Plot from "@observablehq/plot";
import type { CeilingEvidence, UnnumberedLimit } from "../../../results/lab/evidence.js";
import { formatCount } from "../../../util/units.js";
import { capsWord } from "../../sentences/words.js";
import { html, type Markup } from "../markup.js";
import { drawChart } from "./draw.js";
import { drawable, greatestOf, logDomain, powersOfTen } from "./scale.js";

/** A bar takes two rows, its name's and its own; a limit without a number takes one. */
const ROW_HEIGHT = 22;
const LETTER = 7.4;
/** In ems. */
const NARROW_LETTERS = 20;

/** @returns legend, chart, and what limits something else than connections held */
export function drawCeiling(id: string, { title, wanted, limits, unnumbered }: CeilingEvidence): Markup {
  if (limits.length === 0 && unnumbered.length === 0) return html`<p class="muted">No limit was found.</p>`;
  if (limits.length === 0) return listUnnumbered(unnumbered);
  const open = ofConnections(unnumbered).map(({ name, allows }, index) => ({
    name,
    says: allows,
    row: `open ${index}`,
  }));
  const rows = [...limits]
    .sort((a, b) => a.allows - b.allows || Number(b.binds) - Number(a.binds))
    .map((limit, index) => ({ ...limit, at: drawable(limit.allows), nameRow: `name ${index}`, row: `bar ${index}` }));
  const values = [...rows.map(({ at }) => at), drawable(wanted)].filter((value) => value > 0);
  // A decade below the lowest, so that its bar has a length and what was wanted is not the edge.
  const domain = logDomain([...values, ...values.map((value) => value / 10)]);
  const from = domain[0];
  const bars = rows.map((row) => ({ ...row, end: Math.max(row.at, from), figure: formatCount(row.allows) }));
  const binding = bars.filter(({ binds }) => binds);
  const others = bars.filter(({ binds }) => !binds);
  const bar = { y: "row", x1: from, x2: "end", insetTop: 2, insetBottom: 9, rx: 2 };
  const name = { y: "nameRow", frameAnchor: "left", text: "name", dx: 2, dy: 2 } as const;
  const figure = { y: "row", x: "end", text: "figure", textAnchor: "start", dx: 8, dy: -3 } as const;
  const halo = { stroke: "var(--paper)", strokeWidth: 5 };
  const column = greatestOf(open.map((row) => row.name.length)) * LETTER + 24;
  const middle = Math.sqrt(from * domain[1]);
  const anchor = wanted > middle ? "end" : "start";
  const target = wanted > 0 ? [{ at: drawable(wanted), name: `wanted: ${formatCount(wanted)}` }] : [];
  const chart = drawChart({ id, title, description: describe(wanted, limits, unnumbered) }, (isNarrow) => ({
    height: 84 + (2 * rows.length + open.length) * ROW_HEIGHT,
    marginTop: 30,
    marginLeft: 12,
    marginRight: Math.max(...bars.map((row) => row.figure.length)) * LETTER + 22,
    marginBottom: 46,
    x: {
      type: "log",
      domain,
      ticks: powersOfTen(domain).filter((_, index) => !isNarrow || index % 2 === 0),
      tickFormat: "~s",
      grid: true,
      label: isNarrow ? "allowed connections (log axis)" : "connections that each limit allows (log axis)",
      labelArrow: "none",
    },
    y: {
      type: "band",
      domain: [...rows.flatMap(({ nameRow, row }) => [nameRow, row]), ...open.map(({ row }) => row)],
      axis: null,
    },
    marks: [
      Plot.barX(others, { ...bar, fill: "var(--bar)" }),
      Plot.barX(binding, { ...bar, fill: "var(--server)" }),
      Plot.ruleX(target, { x: "at", stroke: "var(--ink)", strokeDasharray: "3 4" }),
      Plot.text(target, { x: "at", text: "name", frameAnchor: "top", dy: -18, fontWeight: 600, textAnchor: anchor }),
      Plot.text(others, { ...name, ...halo, ...cut(isNarrow), fill: "var(--ink)" }),
      Plot.text(open, {
        ...name,
        ...halo,
        ...cut(isNarrow),
        y: "row",
        fill: "var(--ink)",
        ...(isNarrow && { text: withSays }),
      }),
      isNarrow ? null : Plot.text(open, { ...name, ...halo, y: "row", text: "says", dx: column, fill: "var(--muted)" }),
      Plot.text(binding, {
        ...name,
        ...halo,
        ...cut(isNarrow),
        text: ({ name: text }) => `${text} — binds`,
        fill: "var(--server-text)",
        fontWeight: 640,
      }),
      Plot.text(others, { ...figure, ...halo, fill: "var(--muted)" }),
      Plot.text(binding, { ...figure, ...halo, fill: "var(--server-text)", fontWeight: 640 }),
    ],
  }));
  return html`<ul class="legend"><li><i class="key box binding"></i>the limit that binds</li><li><i class="key box other"></i>limits behind it</li></ul>
${chart}
${listElse(unnumbered)}`;
}

/** Names end within a narrow chart: in letters of half the font's size. */
function cut(isNarrow: boolean) {
  return isNarrow ? ({ lineWidth: NARROW_LETTERS, textOverflow: "ellipsis" } as const) : {};
}

function withSays({ name, says }: { readonly name: string; readonly says: string }): string {
  return `${name}: ${says}`;
}

/** Those of connections held; first those that are unknown, as they may be the lowest. */
function ofConnections(unnumbered: readonly UnnumberedLimit[]): readonly UnnumberedLimit[] {
  const all = ["unknown", "unlimited"].map((allows) => unnumbered.filter((limit) => limit.allows === allows));
  return all.flat();
}

/** Where not one limit has a number there is nothing to draw to scale. */
function listUnnumbered(unnumbered: readonly UnnumberedLimit[]): Markup {
  return html`<ul>${ofConnections(unnumbered).map(({ name, allows }) => html`<li>${name}: ${allows}</li>`)}</ul>
${listElse(unnumbered)}`;
}

function listElse(unnumbered: readonly UnnumberedLimit[]): Markup | undefined {
  const others = unnumbered.filter(({ allows }) => allows === "other");
  if (others.length === 0) return undefined;
  const each = others.map(({ name, caps }) => `${name} (${capsWord(caps)})`);
  return html`<p class="figures">Limits of something else than how many are held: ${each.join(", ")}.</p>`;
}

function describe(wanted: number, limits: CeilingEvidence["limits"], unnumbered: readonly UnnumberedLimit[]): string {
  const each = limits.map(
    ({ name, allows, binds }) => `${name} allows ${formatCount(allows)}${binds ? " and binds" : ""}`,
  );
  const others = ofConnections(unnumbered).map(({ name, allows }) => `${name}: ${allows}`);
  return `${formatCount(wanted)} are wanted. ${[...each, ...others].join("; ")}.`;
}
