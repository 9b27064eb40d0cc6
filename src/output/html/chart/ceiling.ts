// Draws bars on a log axis for what each limit allows, lowest first. The binding limit and the requested number are
// marked. Limits without a number get a line of text.

import type { CeilingEvidence, UnnumberedLimit } from "../../../results/lab/evidence.js";
import { formatCount } from "../../../util/units.js";
import { capsWord } from "../../sentences/words.js";
import { html, type Markup } from "../markup.js";
import { areaOf, xAxis, xGrid } from "./axes.js";
import { drawChart } from "./draw.js";
import { bars, HALO, rules, texts } from "./marks.js";
import { logarithmic } from "./projection.js";
import { drawable, formatPowerOfTen, greatestOf, logDomain, powersOfTen } from "./scale.js";

/** Height of a row. A bar takes two rows, one of them for its name; a limit without a number takes a single row. */
const ROW_HEIGHT = 22;
/** Distance from the top of a row to the middle of a name, to a bar, and to the middle of the bar's figure. */
const NAME_DOWN = 13;
const BAR_DOWN = 3;
const FIGURE_DOWN = 7.5;
const BAR_HEIGHT = 9;
const LETTER = 7.4;
/** Maximum length of names in a narrow chart. */
const NARROW_LETTERS = 42;
const BINDS = " (binding)";

/** @returns legend, chart, and the limits that cap something other than held connections */
export function drawCeiling(id: string, { title, wanted, limits, unnumbered }: CeilingEvidence): Markup {
  if (limits.length === 0 && unnumbered.length === 0) return html`<p class="muted">No limit was found.</p>`;
  if (limits.length === 0) return listUnnumbered(unnumbered);
  const open = ofConnections(unnumbered);
  const rows = [...limits]
    .sort((a, b) => a.allows - b.allows || Number(b.binds) - Number(a.binds))
    .map((limit) => ({ ...limit, value: drawable(limit.allows), figure: formatCount(limit.allows) }));
  const values = [...rows.map(({ value }) => value), drawable(wanted)].filter((value) => value > 0);
  // Start a decade below the lowest value, so that its bar is visible and the requested number is not at the edge.
  const domain = logDomain([...values, ...values.map((value) => value / 10)]);
  const powers = powersOfTen(domain);
  const chart = drawChart({ id, title, description: describe(wanted, limits, unnumbered) }, (width, isNarrow) => {
    const height = 84 + (2 * rows.length + open.length) * ROW_HEIGHT;
    const right = greatestOf(rows.map((row) => row.figure.length)) * LETTER + 22;
    const area = areaOf(width, height, { top: 30, right, bottom: 46, left: 12 });
    const ticks = powers.filter((_, index) => !isNarrow || index % 2 === 0);
    const across = logarithmic(domain, [area.left, area.right], ticks, formatPowerOfTen);
    const rowTop = (row: number) => area.top + 4 + row * ROW_HEIGHT;
    const placed = rows.map((row, index) => ({
      ...row,
      end: across.at(Math.max(row.value, domain[0])),
      nameTop: rowTop(2 * index),
      barTop: rowTop(2 * index + 1),
    }));
    const binding = placed.filter(({ binds }) => binds);
    const others = placed.filter(({ binds }) => !binds);
    const length = isNarrow ? NARROW_LETTERS : Number.POSITIVE_INFINITY;
    const bar = ({ end, barTop }: (typeof placed)[number]) => ({
      x: area.left,
      y: barTop + BAR_DOWN,
      width: end - area.left,
      height: BAR_HEIGHT,
    });
    const name = (x: number, top: number, text: string) => ({ x, y: top + NAME_DOWN, text });
    const figure = ({ end, barTop, figure: text }: (typeof placed)[number]) => ({
      x: end + 8,
      y: barTop + FIGURE_DOWN,
      text,
    });
    const left = area.left + 2;
    const column = left + greatestOf(open.map((limit) => limit.name.length)) * LETTER + 22;
    const openRows = open.map((limit, index) => ({ ...limit, top: rowTop(2 * rows.length + index) }));
    const hasTarget = drawable(wanted) > 0;
    const target = across.at(drawable(wanted));
    const isRightHalf = target > (area.left + area.right) / 2;
    const strong = { ...HALO, fill: "var(--server-text)", "font-weight": 640 };
    return {
      height,
      marks: [
        xGrid(area, across),
        xAxis(
          area,
          across,
          isNarrow ? "allowed connections (log axis)" : "connections that each limit allows (log axis)",
          width,
        ),
        bars(others.map(bar), "var(--bar)"),
        bars(binding.map(bar), "var(--server)"),
        ...(hasTarget
          ? [
              rules(
                [
                  [
                    [target, area.top],
                    [target, area.bottom],
                  ],
                ],
                { stroke: "var(--ink)", "stroke-dasharray": "3 4" },
              ),
              texts([{ x: target, y: area.top - 13, text: `requested: ${formatCount(wanted)}` }], {
                "font-weight": 600,
                "text-anchor": isRightHalf ? "end" : "start",
              }),
            ]
          : []),
        texts(
          others.map((row) => name(left, row.nameTop, cut(row.name, length))),
          { ...HALO, fill: "var(--ink)" },
        ),
        texts(
          openRows.map((row) =>
            name(
              left,
              row.top,
              isNarrow ? `${cut(row.name, length - row.allows.length - 2)}: ${row.allows}` : row.name,
            ),
          ),
          { ...HALO, fill: "var(--ink)" },
        ),
        isNarrow
          ? ""
          : texts(
              openRows.map((row) => name(column, row.top, row.allows)),
              { ...HALO, fill: "var(--muted)" },
            ),
        texts(
          binding.map((row) => name(left, row.nameTop, `${cut(row.name, length - BINDS.length)}${BINDS}`)),
          strong,
        ),
        texts(others.map(figure), { ...HALO, fill: "var(--muted)" }),
        texts(binding.map(figure), strong),
      ],
    };
  });
  return html`<ul class="legend"><li><i class="key box binding"></i>binding limit</li><li><i class="key box other"></i>other limits</li></ul>
${chart}
${listElse(unnumbered)}`;
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).trimEnd()}…`;
}

/** Selects the limits on held connections, unknown ones first because any of them may be the lowest. */
function ofConnections(unnumbered: readonly UnnumberedLimit[]): readonly UnnumberedLimit[] {
  const all = ["unknown", "unlimited"].map((allows) => unnumbered.filter((limit) => limit.allows === allows));
  return all.flat();
}

/** If no limit has a number, there is nothing to draw to scale. */
function listUnnumbered(unnumbered: readonly UnnumberedLimit[]): Markup {
  return html`<ul>${ofConnections(unnumbered).map(({ name, allows }) => html`<li>${name}: ${allows}</li>`)}</ul>
${listElse(unnumbered)}`;
}

function listElse(unnumbered: readonly UnnumberedLimit[]): Markup | undefined {
  const others = unnumbered.filter(({ allows }) => allows === "other");
  if (others.length === 0) return undefined;
  const each = others.map(({ name, caps }) => `${name} (${capsWord(caps)})`);
  return html`<p class="figures">Limits on other quantities: ${each.join(", ")}.</p>`;
}

function describe(wanted: number, limits: CeilingEvidence["limits"], unnumbered: readonly UnnumberedLimit[]): string {
  const each = limits.map(
    ({ name, allows, binds }) => `${name} allows ${formatCount(allows)}${binds ? " (the binding limit)" : ""}`,
  );
  const others = ofConnections(unnumbered).map(({ name, allows }) => `${name}: ${allows}`);
  return `${formatCount(wanted)} connections requested. ${[...each, ...others].join("; ")}.`;
}
