// Measures how cost grows with the number of connections, for fourtuple and, as far as descriptors allow, for the
// baseline. One run covers all sizes, and draws a chart in the style of the report, for light and dark themes.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BASELINE, OURS } from "./contenders.mjs";
import { RAMP_METRICS } from "./metrics.mjs";
import { runRamp } from "./round.mjs";

/** @typedef {{ connections: number, median: number, min: number, max: number }} Point */

const SIZES = ["1k", "5k", "19k", "50k", "100k", "190k", "500k", "1m", "2m"];

/** Panels of the chart, from top to bottom. */
const PANELS = [
  { metric: "timeUs", title: "Time per connection, thread start included", unit: "µs", isLog: false },
  { metric: "cpuUs", title: "CPU per connection, both processes, their start included", unit: "µs", isLog: true },
  { metric: "slabBytes", title: "Kernel memory per connection, both ends (slab)", unit: "bytes", isLog: false },
  { metric: "userBytes", title: "User memory per connection, both processes (RSS growth)", unit: "bytes", isLog: true },
];
const LINES = [
  { contender: OURS, colour: "var(--c1)" },
  { contender: BASELINE, colour: "var(--c2)" },
];
const PANEL_HEIGHT = 270;
const HEAD_HEIGHT = 96;
const TITLE_HEIGHT = 40;
const FOOT_HEIGHT = 36;
const MARGIN = 24;

/** @type {import("./workloads.mjs").Workload} */
export const SCALING = {
  name: "scaling",
  title: "cost per connection as the number grows",
  rounds: 3,
  atMost: 1_000_000,
  contenders: SIZES.flatMap((size) => [`${BASELINE}@${size}`, `${OURS}@${size}`]),
  metrics: RAMP_METRICS,
  run: runRamp,
  async draw(report, folder) {
    const file = join(folder, "bench-scaling.svg");
    writeFileSync(file, await drawScaling(report));
    return file;
  },
};

/**
 * @param {any} report report of a run of this workload
 * @returns {Promise<string>} an SVG document
 */
export async function drawScaling({ contenders, summary, machine }) {
  const { CHART_WIDTH } = await import("../dist/output/html/chart/draw.js");
  const { CHART_STYLE, COLOURS } = await import("../dist/output/html/page-style.js");
  const panels = [];
  for (const [index, panel] of PANELS.entries()) {
    const lines = LINES.map((line) => ({
      ...line,
      points: pointsOf(panel.metric, line.contender, contenders, summary),
    }));
    const top = HEAD_HEIGHT + index * (TITLE_HEIGHT + PANEL_HEIGHT) + 16;
    const chart = await drawPanel(`scaling-${panel.metric}`, panel, lines);
    panels.push(
      `<text class="panel" y="${top}">${panel.title}</text>${chart.replace("<svg ", `<svg x="0" y="${top + TITLE_HEIGHT - 26}" `)}`,
    );
  }
  const height = HEAD_HEIGHT + PANELS.length * (TITLE_HEIGHT + PANEL_HEIGHT) + FOOT_HEIGHT;
  const drawn = LINES.filter(({ contender }) =>
    PANELS.some(({ metric }) => pointsOf(metric, contender, contenders, summary).length > 0),
  );
  const legend = drawn.map(
    ({ contender, colour }, index) =>
      `<g transform="translate(${index * 130},62)"><line x2="22" stroke="${colour}" stroke-width="3"/><text class="muted" x="30" y="4.5">${contender}</text></g>`,
  );
  const about = `${machine.cores} cores, kernel ${machine.kernel}, Node ${machine.node}; medians, bars from the least to the most; both ends on one host`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${-MARGIN} ${-MARGIN} ${CHART_WIDTH + 2 * MARGIN} ${height + MARGIN}" role="img" aria-labelledby="scaling-title">
<title id="scaling-title">Cost per connection as the number grows</title>
<style>${COLOURS}
${CHART_STYLE}
text{font-family:Inter,"Segoe UI",system-ui,sans-serif}.chart{color:var(--ink);overflow:visible}.head,.panel{fill:var(--ink)}
.head{font-size:26px;font-weight:680;letter-spacing:-.5px}.panel{font-size:17px;font-weight:640}.muted{font-size:13.5px;fill:var(--muted)}</style>
<rect x="${-MARGIN}" y="${-MARGIN}" width="100%" height="100%" fill="var(--paper)"/>
<text class="head" y="24">Cost per connection as the number grows</text>
${legend.join("\n")}
${panels.join("\n")}
<text class="muted" y="${height - 12}">${about}</text>
</svg>
`;
}

/**
 * @param {string} id
 * @param {typeof PANELS[number]} panel
 * @param {{ contender: string, colour: string, points: Point[] }[]} lines
 * @returns {Promise<string>} an `<svg>`
 */
async function drawPanel(id, { title, unit, isLog }, lines) {
  const { areaOf, xAxis, yAxis, yGrid } = await import("../dist/output/html/chart/axes.js");
  const { CHART_WIDTH, drawWide } = await import("../dist/output/html/chart/draw.js");
  const { baseline, dots, line, rules } = await import("../dist/output/html/chart/marks.js");
  const { linear, logarithmic } = await import("../dist/output/html/chart/projection.js");
  const { logDomain, powersOfTen } = await import("../dist/output/html/chart/scale.js");
  const all = lines.flatMap(({ points }) => points);
  const sizes = [...new Set(all.map(({ connections }) => connections))].sort((a, b) => a - b);
  const yDomain = logDomain(all.flatMap(({ min, max }) => [min, max]));
  const area = areaOf(CHART_WIDTH, PANEL_HEIGHT, { top: 30, right: 20, bottom: 44, left: 64 });
  const upwards = /** @type {const} */ ([area.bottom, area.top]);
  const greatest = Math.max(1, ...all.map(({ max }) => max));
  const up = isLog
    ? logarithmic(yDomain, upwards, powersOfTen(yDomain), (value) => value.toLocaleString("en-US"))
    : linear([0, greatest], upwards, { steps: 5, isNice: true });
  const across = logarithmic([sizes[0] ?? 1, sizes.at(-1) ?? 1], [area.left, area.right], sizes, formatCountOf);
  const each = lines
    .filter(({ points }) => points.length > 0)
    .map(
      ({ contender, points }) =>
        `${contender}: ${points.map(({ connections, median }) => `${median.toFixed(1)} at ${connections}`).join(", ")}`,
    );
  return drawWide(
    { id, title, description: `${title} in ${unit}. ${each.join("; ")}.` },
    {
      height: PANEL_HEIGHT,
      marks: [
        yGrid(area, up),
        yAxis(area, up, isLog ? `${unit} (log axis)` : unit),
        xAxis(area, across, "connections (log axis)", CHART_WIDTH),
        // A log axis cannot show zero.
        isLog ? "" : baseline(area, up.at(0)),
        ...lines.flatMap(({ colour, points }) => {
          /**
           * @param {Point} point
           * @param {number} value
           * @returns {readonly [number, number]}
           */
          const place = ({ connections }, value) => [across.at(connections), up.at(value)];
          const medians = points.map((point) => place(point, point.median));
          return [
            rules(
              points.map((point) => [place(point, point.min), place(point, point.max)]),
              { stroke: colour, "stroke-width": 1.25 },
            ),
            line(medians, colour, 2.25),
            dots(medians, 3.5, { fill: colour }),
          ];
        }),
      ],
    },
  );
}

/** @param {number} count */
function formatCountOf(count) {
  return count < 1e6 ? `${count / 1e3}k` : `${count / 1e6}m`;
}

/**
 * @param {string} metric
 * @param {string} line name of the contender without its size
 * @param {any[]} contenders
 * @param {import("./summary.mjs").Summary} summary
 * @returns {Point[]}
 */
function pointsOf(metric, line, contenders, summary) {
  return contenders
    .filter(({ name }) => name.startsWith(`${line}@`) && (summary[name]?.metrics[metric]?.min ?? 0) > 0)
    .map(({ name, scale }) => ({ connections: scale.connections, ...summary[name].metrics[metric] }));
}
