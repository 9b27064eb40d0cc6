// Style of the report for light and dark screens and for paper, in the same colours as the picture of ports.

const LIGHT = `--paper:#fdfdfc;--panel:#f3f5f7;--edge:#d3dae1;--ink:#161a1f;--muted:#5d6772;--server:#e8590c;--server-text:#c2410c;
--bar:#7f8d9b;--c1:#0c8599;--c2:#e8590c;--c3:#3b5bdb;--c4:#ae3ec9;--c5:#2b8a3e;--c6:#868e96;--good:#237032;--bad:#c92a2a`;
const DARK = `--paper:#0d1014;--panel:#161b22;--edge:#2c3540;--ink:#eef1f4;--muted:#96a1ae;--server:#ffb454;--server-text:#ffb454;
--bar:#65727f;--c1:#45d6e8;--c2:#ffb454;--c3:#849bff;--c4:#e599f7;--c5:#69db7c;--c6:#adb5bd;--good:#69db7c;--bad:#ff8787`;
const SANS = `Inter,"Segoe UI",system-ui,-apple-system,"Helvetica Neue",Arial,sans-serif`;
const MONO = `ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace`;

/** CSS variables for the colours of charts, light and dark. */
export const COLOURS = `:root{color-scheme:light dark;${LIGHT}}
@media screen and (prefers-color-scheme:dark){:root{${DARK}}}`;

/** Selector of both versions of a chart, for wide pages and for phones. */
const CHARTS = ":is(.chart,.narrow-chart)";

/** Styles that charts need from the page. */
export const CHART_STYLE = `${CHARTS} :is([aria-label$="tick label"],[aria-label$="axis label"]){fill:var(--muted)}
${CHARTS} [aria-label$="axis tick"]{stroke:var(--edge)}
${CHARTS} [aria-label$="-grid"]{stroke:var(--edge);stroke-opacity:.65}
${CHARTS} text{white-space:pre;paint-order:stroke}`;

export const PAGE_STYLE = `
${COLOURS}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 ${SANS};font-variant-numeric:tabular-nums;
-webkit-text-size-adjust:100%;text-rendering:optimizeLegibility}
main{max-width:1064px;margin:0 auto;padding:72px 32px 96px}
h1,h2,h3,p,dl,dd,figure,ul,pre,table{margin:0;padding:0}
h1{font-size:44px;line-height:1.1;font-weight:680;letter-spacing:-1.2px;text-wrap:balance;max-width:22em}
h2{font-size:27px;line-height:1.2;font-weight:660;letter-spacing:-.5px;text-wrap:balance}
h3{font-size:19px;font-weight:640;letter-spacing:-.2px}
a{color:inherit;text-decoration-color:var(--edge);text-underline-offset:3px}
a:hover{text-decoration-color:currentColor}
code,pre,.mono{font-family:${MONO};font-size:.86em;letter-spacing:-.2px}
.eyebrow{font-size:12px;font-weight:600;letter-spacing:1.4px;text-transform:uppercase;color:var(--muted);margin-bottom:14px}
.lead{font-size:20px;line-height:1.5;color:var(--muted);max-width:46em;margin-top:18px;text-wrap:pretty}
.muted{color:var(--muted)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;margin-top:40px;background:var(--paper);
border:1px solid var(--edge);border-radius:10px;overflow:hidden}
.tiles div{box-shadow:0 0 0 1px var(--edge);padding:16px 18px}
.tiles dt{font-size:12.5px;color:var(--muted)}
.tiles dd{font-size:24px;font-weight:640;letter-spacing:-.5px;line-height:1.3}
.tiles dd small{display:block;font-size:12.5px;font-weight:400;letter-spacing:0;color:var(--muted)}
section{margin-top:72px;padding-top:32px;border-top:1px solid var(--edge)}
section>h2+*{margin-top:24px}
.heading{display:flex;flex-wrap:wrap;align-items:baseline;gap:6px 14px}
.heading .id{color:var(--muted);font-weight:500}
.verdict{white-space:nowrap;font-size:14px;font-weight:640}
.verdict.confirmed{color:var(--good)}.verdict.refuted,.verdict.failed{color:var(--bad)}.verdict.impossible,.verdict.inconclusive{color:var(--muted)}
.argument{display:grid;grid-template-columns:116px minmax(0,46em);gap:10px 24px;margin-top:24px}
.argument dt{grid-column:1}.argument dd{grid-column:2}
.argument dt{color:var(--muted);font-size:14px;line-height:25px}
.argument .observed{font-weight:600}
figure{margin-top:44px}
figcaption,caption{font-size:17px;font-weight:640;letter-spacing:-.2px;text-align:left;margin-bottom:12px}
caption{padding-bottom:10px;margin:0}
.notes{margin-top:14px;font-size:14.5px;color:var(--muted)}
.figures{margin-top:8px;font-size:14.5px;color:var(--muted)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 22px;font-size:13.5px;color:var(--muted);margin-bottom:8px}
.legend li{display:flex;align-items:center;gap:8px}
.key{display:inline-block;flex:none}
.key.line{width:20px;height:3px;border-radius:2px;background:var(--key)}
.key.dot{width:12px;height:12px;border-radius:50%;border:2.5px solid var(--key)}
.key.box{width:12px;height:12px;border-radius:2px;background:var(--key)}
.key.span{width:22px;border-radius:1px;background:var(--c1);height:var(--width)}
${[1, 2, 3, 4, 5, 6].map((index) => `.key.c${index}{--key:var(--c${index})}`).join("")}
.key.binding{--key:var(--server)}.key.other{--key:var(--bar)}
.key.w12{--width:11px}.key.w7{--width:7px}.key.w3{--width:3.5px}.key.w1{--width:1.5px}
svg:is(.chart,.narrow-chart,.port-map){display:block;width:100%;height:auto;max-width:100%;overflow:visible}
svg${CHARTS}{color:var(--ink);font-family:inherit}
svg.narrow-chart,.narrow-ports{display:none}
${CHART_STYLE}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14.5px;line-height:1.45}
th,td{text-align:left;vertical-align:top;padding:9px 18px 9px 0;border-bottom:1px solid var(--edge)}
th:last-child,td:last-child{padding-right:0}
thead th{font-size:12.5px;font-weight:600;color:var(--muted);white-space:nowrap}
tbody th{font-weight:600}#verdicts~.scroll tbody th{min-width:9em}
.number+:not(.number){padding-left:32px}
.narrow-ports{grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:18px}
.narrow-ports svg{display:block;width:100%;height:auto}.narrow-ports .large{grid-column:1/-1}.narrow-ports p{font-size:13px;overflow-wrap:anywhere}
.ports .tiny{font-size:12px}.ports .small{font-size:12.5px}.ports figcaption{margin-bottom:4px}.ports .figures{margin:0 0 20px}
.number{text-align:right;white-space:nowrap}
td .claim{display:block;color:var(--muted)}
.facts{display:grid;grid-template-columns:minmax(130px,max-content) minmax(0,1fr);gap:8px 28px;font-size:15px}
.facts dt{color:var(--muted)}
.facts dd{overflow-wrap:anywhere}
pre{margin-top:14px;padding:16px 18px;background:var(--panel);border-radius:8px;white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.6}
pre .line{display:block;padding-left:2ch;text-indent:-2ch}pre .option{white-space:nowrap}
.commands{margin-top:40px}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
footer{margin-top:72px;font-size:13.5px;color:var(--muted)}
@media screen and (max-width:700px){main{padding:40px 18px 64px}h1{font-size:33px}.argument{grid-template-columns:1fr;gap:2px}.argument dd{grid-column:1}.argument dd{margin-bottom:12px}
/* What is wide is there in another form: charts drawn anew, panels of ports below each other, each row of a table as a list. */
svg.chart,figure>svg.port-map{display:none}svg.narrow-chart{display:block}.narrow-ports{display:grid}
table,tbody,tr,td,tbody th,caption{display:block}thead{display:none}tr{padding:10px 0;border-bottom:1px solid var(--edge)}
td,tbody th,.number,.number+:not(.number){padding:2px 0;border:none;text-align:left;white-space:normal;overflow-wrap:anywhere}
td[data-label]{display:grid;grid-template-columns:108px minmax(0,1fr);gap:0 14px}
td[data-label]::before{content:attr(data-label);color:var(--muted);font-size:12.5px;line-height:1.7}}
@media print{@page{margin:14mm}main{max-width:none;padding:0}body{font-size:11pt}h1{font-size:26pt}
section{margin-top:26pt;padding-top:14pt}figure,tr,.argument,.tiles,pre{break-inside:avoid}h2,h3,figcaption{break-after:avoid}
.scroll{overflow:visible}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`.trim();
