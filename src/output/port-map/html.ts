// Renders the picture of ports as a standalone page: the SVG, and a script that describes the port under the pointer.
// Loads nothing.
import { createHash } from "node:crypto";
import { escapeXml } from "../html/escape.js";
import type { PortMap } from "./cells.js";
import { portMapSvg } from "./svg.js";

const STYLE = `
body{margin:0;background:#fdfdfc;display:grid;min-height:100vh;place-items:start center}
@media (prefers-color-scheme:dark){body{background:#0d1014}}
svg{display:block;width:100%;height:auto;max-width:1400px}
.port-map .field{cursor:crosshair}
#cursor{fill:none;stroke:var(--ink);pointer-events:none}
#tip{position:fixed;left:0;top:0;pointer-events:none;visibility:hidden;padding:9px 12px;border-radius:8px;max-width:340px;
background:#161a1f;color:#f4f6f8;font:13px/1.45 Inter,"Segoe UI",system-ui,sans-serif;font-variant-numeric:tabular-nums;
box-shadow:0 6px 24px rgba(0,0,0,.28)}
@media (prefers-color-scheme:dark){#tip{background:#eef1f4;color:#14181d}}
#tip b{display:block;font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:13px}
#tip span{display:block}
`.trim();

// The script decodes the paths back to cells, because the picture itself is the data.
const SCRIPT = `
const SIDE = 256, NEAR = 5, known = JSON.parse(document.getElementById("known").textContent);
const tip = document.getElementById("tip"), svg = document.querySelector("svg.port-map");
const format = (n) => n.toLocaleString("en-US"), count = (n, what) => format(n) + " " + what + (n === 1 ? "" : "s");
const cursor = svg.appendChild(document.createElementNS(svg.namespaceURI, "rect"));
cursor.id = "cursor";
function decode(path) {
  const cells = new Uint8Array(SIDE * SIDE);
  let x = 0, y = 0;
  for (const [, pen, dx, dy, width, height] of path.matchAll(/([Mm])(-?\\d+) (-?\\d+)h(\\d+)v(\\d+)h-\\d+z/g)) {
    x = pen === "M" ? +dx : x + +dx;
    y = pen === "M" ? +dy : y + +dy;
    for (let row = y; row < y + +height; row++) cells.fill(1, row * SIDE + x, row * SIDE + x + +width);
  }
  return cells;
}
function near(port, ports) {
  let best, least = NEAR + 1;
  for (const other of ports) {
    const distance = Math.hypot((other.port % SIDE) - (port % SIDE), (other.port >> 8) - (port >> 8));
    if (distance < least) [best, least] = [other.port, distance];
  }
  return best ?? port;
}
function describe(port, cells, { role, sockets }, info) {
  if (!cells[port]) return ["not in use"];
  if (info) return [info.name + (info.sockets > 0 ? ", shared by " + count(info.sockets, "connection") : "")];
  let first = port, last = port;
  while (first > 0 && cells[first - 1]) first--;
  while (last < cells.length - 1 && cells[last + 1]) last++;
  const run = first === last ? "in use" : "in use, as are " + first + "\\u2013" + last + " (" + format(last - first + 1) + " in a row)";
  return [run, count(cells.reduce((sum, cell) => sum + cell, 0), "port") + " in use here by " + count(+sockets, "socket")];
}
document.querySelectorAll(".field").forEach((field, index) => {
  field.querySelector("title").remove();
  const cells = decode(field.querySelector(".lit").getAttribute("d"));
  const { ip } = field.dataset;
  const hide = () => { tip.style.visibility = cursor.style.visibility = "hidden"; };
  const show = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(field.getScreenCTM().inverse());
    const [x, y] = [Math.floor(at.x), Math.floor(at.y)];
    if (x < 0 || y < 0 || x >= SIDE || y >= SIDE) return hide();
    const port = cells[y * SIDE + x] ? y * SIDE + x : near(y * SIDE + x, known[index]);
    const lines = describe(port, cells, field.dataset, known[index].find((entry) => entry.port === port));
    tip.replaceChildren(...[(ip.includes(":") ? "[" + ip + "]" : ip) + ":" + port, ...lines].map((text, line) => {
      const element = document.createElement(line === 0 ? "b" : "span");
      element.textContent = text;
      return element;
    }));
    const box = field.transform.baseVal.consolidate().matrix, size = Math.max(box.a, 4);
    const place = { x: box.e + ((port % SIDE) + 0.5) * box.a - size / 2, y: box.f + ((port >> 8) + 0.5) * box.a - size / 2 };
    for (const [name, value] of Object.entries({ ...place, width: size, height: size })) cursor.setAttribute(name, value);
    const left = Math.min(event.clientX + 16, innerWidth - tip.offsetWidth - 8);
    const isLow = event.clientY + tip.offsetHeight + 28 > innerHeight;
    tip.style.transform = "translate(" + Math.max(8, left) + "px," + (isLow ? event.clientY - tip.offsetHeight - 14 : event.clientY + 18) + "px)";
    tip.style.visibility = cursor.style.visibility = "visible";
  };
  field.addEventListener("pointermove", show);
  field.addEventListener("pointerdown", show);
  field.addEventListener("pointerleave", hide);
});
`.trim();

/** Content security policy that allows only this script, whatever text the picture contains. */
const POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  `script-src 'sha256-${createHash("sha256").update(`\n${SCRIPT}\n`).digest("base64")}'`,
  "connect-src data:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** @returns a page that needs no network and describes each port under the pointer */
export function portMapHtml(map: PortMap): string {
  // Use the order of the panels, which is the same as that of the fields.
  const known = JSON.stringify(map.fields.map(({ known }) => known ?? [])).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeXml(map.title)}</title>
<style>${STYLE}</style>
</head>
<body>
${portMapSvg(map).trim()}
<div id="tip" role="status"></div>
<script type="application/json" id="known">${known}</script>
<script type="module">
${SCRIPT}
</script>
</body>
</html>
`;
}
