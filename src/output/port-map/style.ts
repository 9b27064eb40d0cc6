// Colours and fonts of the picture of ports, for light and dark themes.

/** Orange and blue can be told apart with any colour vision deficiency. */
export const PORT_MAP_STYLE = `
:root{color-scheme:light dark}
.port-map{--paper:#fdfdfc;--panel:#f3f5f7;--range:#e7ebf0;--edge:#d3dae1;--ink:#161a1f;--muted:#66707c;
--server:#e8590c;--halo:#ffa94d;--top:#1098ad;--bottom:#3b5bdb;
font-family:Inter,"Segoe UI",system-ui,-apple-system,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
@media screen and (prefers-color-scheme:dark){.port-map{--paper:#0d1014;--panel:#161b22;--range:#1f2630;--edge:#2c3540;
--ink:#eef1f4;--muted:#8b96a3;--server:#ffb454;--halo:#ff922b;--top:#45d6e8;--bottom:#748ffc}}
.port-map text{fill:var(--ink)}
.port-map .where{fill:var(--muted);font-weight:400;letter-spacing:0}
.port-map .figure .where{font-size:15px}
.port-map .muted{fill:var(--muted)}
.port-map .paper{fill:var(--paper)}
.port-map .panel{fill:var(--panel);stroke:var(--edge)}
.port-map .range{fill:var(--range)}
.port-map .rule{stroke:var(--edge);fill:none}
.port-map .line{stroke:var(--server);fill:none;stroke-width:1.25}
.port-map .fine{stroke-width:.45}
.port-map .client.fine{stroke:url(#field)}
.port-map .server.fine{stroke:var(--server)}
.port-map .server{fill:var(--server)}
.port-map .client{fill:url(#field)}
.port-map .clients{fill:var(--top)}
.port-map .top{stop-color:var(--top)}
.port-map .bottom{stop-color:var(--bottom)}
.port-map .halo{stop-color:var(--halo)}
.port-map .title{font-size:30px;font-weight:680;letter-spacing:-.6px}
.port-map .caption{font-size:15px}
.port-map .role{font-size:11px;font-weight:600;letter-spacing:1.4px}
.port-map .figure{font-size:21px;font-weight:640;letter-spacing:-.3px}
.port-map .strong{font-size:14px;font-weight:640}
.port-map .small{font-size:12px}
.port-map .tiny{font-size:10.5px}
.port-map .address{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;letter-spacing:-.2px}
`.trim();
