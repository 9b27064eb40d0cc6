// Tests that the port map is accurate: each port in use is exactly one lit cell in the file.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  cellsOf,
  countPorts,
  type MapField,
  PORTS,
  type PortMap,
  pathOfPorts,
} from "../../../src/output/port-map/cells.js";
import { portMapHtml } from "../../../src/output/port-map/html.js";
import { portMapSvg } from "../../../src/output/port-map/svg.js";
import { portMapText, toBraille } from "../../../src/output/port-map/terminal.js";
import { cellsOfPath, litFields } from "../../support/port-map.js";

const EPHEMERAL = { first: 32_768, last: 60_999 };

function portsOf(...ports: number[]): Uint8Array {
  const cells = new Uint8Array(PORTS);
  for (const port of ports) cells[port] = 1;
  return cells;
}

function server(port: number, sockets: number): MapField {
  return {
    ip: "127.0.0.1",
    role: "server",
    ports: portsOf(port),
    sockets,
    known: [{ port, name: "listening", sockets }],
  };
}

function client(index: number, ports: Uint8Array): MapField {
  return { ip: `127.0.${index >> 8}.${index & 255}`, role: "client", ports, sockets: countPorts(ports) };
}

function mapOf(fields: readonly MapField[], more: Partial<PortMap> = {}): PortMap {
  return { title: "A title", caption: "A caption.", fields, ephemeral: EPHEMERAL, source: "sock_diag", ...more };
}

/** Generates realistic fields: single ports, runs, every other port, and noise. */
const anyField = fc
  .array(
    fc.record({
      first: fc.nat(PORTS - 1),
      length: fc.oneof(fc.nat(3), fc.nat(700), fc.nat(PORTS)),
      step: fc.constantFrom(1, 1, 2, 3),
    }),
    { maxLength: 40 },
  )
  .map((runs) => {
    const cells = new Uint8Array(PORTS);
    for (const { first, length, step } of runs) {
      for (let port = first; port < Math.min(PORTS, first + length * step); port += step) cells[port] = 7;
    }
    return cells;
  });

describe("pathOfPorts()", () => {
  it("covers exactly the ports in use, each once", () => {
    fc.assert(
      fc.property(anyField, (ports) => {
        const cells = cellsOfPath(pathOfPorts(ports));
        expect(cells.some((times) => times > 1)).toBe(false);
        expect(
          Buffer.compare(
            cells,
            ports.map((cell) => (cell === 0 ? 0 : 1)),
          ),
        ).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it("is empty without ports, and one rectangle for all of them", () => {
    expect(pathOfPorts(new Uint8Array(PORTS))).toBe("");
    expect(pathOfPorts(cellsOf({ first: 0, last: 65_535 }))).toBe("M0 0h256v256h-256z");
    expect(pathOfPorts(portsOf(7777))).toBe("M97 30h1v1h-1z");
  });

  it("stays small if the kernel picked every second port", () => {
    const ports = new Uint8Array(PORTS).map((_, port) => (port >= 32_768 && port <= 60_999 && port % 2 === 0 ? 1 : 0));
    expect(pathOfPorts(ports).length).toBeLessThan(6000);
  });
});

describe("portMapSvg()", () => {
  it("has one lit pixel for a server's port and a filled field for each source address", () => {
    const ports = cellsOf({ first: 1024, last: 65_535 });
    const svg = portMapSvg(mapOf([server(7777, 193_536), client(2, ports), client(3, ports), client(4, ports)]));
    expect(litFields(svg).map(({ ip, role, lit }) => [ip, role, lit])).toEqual([
      ["127.0.0.1", "server", 1],
      ["127.0.0.2", "client", 64_512],
      ["127.0.0.3", "client", 64_512],
      ["127.0.0.4", "client", 64_512],
    ]);
    expect(svg.length).toBeLessThan(20_000);
  });

  it("states in numbers what it shows in pixels", () => {
    const svg = portMapSvg(mapOf([server(7777, 1_000_000), client(2, cellsOf({ first: 1024, last: 65_535 }))]));
    expect(svg).toContain("port 7777");
    expect(svg).toContain("listening, shared by 1,000,000 connections");
    expect(svg).toContain("64,512 ports in use by 64,512 sockets");
    for (const port of [0, 16_384, 32_768, 49_152, 65_535]) expect(svg).toContain(`>${port}</text>`);
    expect(svg).toContain("ephemeral range 32768–60999");
    expect(svg).toContain("prefers-color-scheme:dark");
  });

  it("draws at most 24 small panels, and says how many more there are", () => {
    const fields = Array.from({ length: 40 }, (_, index) => client(index + 2, portsOf(40_000 + index)));
    const svg = portMapSvg(mapOf([server(7777, 40), ...fields], { omittedAddresses: 7 }));
    expect(litFields(svg)).toHaveLength(25);
    expect(svg).toContain(">and 23</text>");
    expect(svg).toContain("40 addresses of 47");
  });

  it("loads nothing, and escapes all text", () => {
    const svg = portMapSvg(mapOf([server(1, 1)], { title: `<script>alert("&")</script>` }));
    expect(svg).not.toContain("<script");
    expect(svg.replace("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|href|url\((?!#)/);
  });

  it("can be drawn empty", () => {
    expect(litFields(portMapSvg(mapOf([])))).toEqual([]);
    expect(litFields(portMapSvg(mapOf([client(2, new Uint8Array(PORTS))])))).toEqual([
      { ip: "127.0.0.2", role: "client", lit: 0, ports: 0 },
    ]);
  });
});

it("labels a small panel as a server's", () => {
  const svg = portMapSvg(mapOf([server(7777, 9), { ...server(7777, 5), ip: "::1" }, client(2, portsOf(40_000))]));
  expect(svg).toMatch(/>::1<\/text><text[^>]*>server, 1 port</);
  expect(svg).toContain(">1 SERVER, 1 CLIENT<");
});

describe("portMapHtml()", () => {
  it("contains the same picture, and loads nothing", () => {
    const map = mapOf([server(7777, 3), client(2, portsOf(40_001, 40_002, 50_000))], { title: "</script><b>" });
    const html = portMapHtml(map);
    expect(litFields(html).map(({ lit }) => lit)).toEqual([1, 3]);
    expect(html.replace("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|src=|@import/);
    expect(html).not.toContain("<b>");
  });
});

describe("portMapText()", () => {
  const field = (first: number, last: number) => cellsOf({ first, last });
  const many = mapOf(
    [server(7777, 1_000_000), ...Array.from({ length: 30 }, (_, index) => client(index + 2, field(1024, 65_535)))],
    { omittedAddresses: 3 },
  );

  it("fits 80 columns, and names the server's port", () => {
    const lines = portMapText(many).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.some((line) => line.includes("◉") && line.includes("7777: 1,000,000 connections"))).toBe(true);
    expect(lines).toContain("and 21 more addresses");
  });

  it("uses the singular for one port", () => {
    const text = portMapText(mapOf([server(7777, 2), client(2, portsOf(40_001)), client(3, portsOf(40_001, 40_002))]));
    expect(text).toMatch(/^ *1 port +2 ports$/m);
  });

  it("uses no colours of its own", () => {
    expect(portMapText(many)).not.toContain("\u001b");
  });

  it("lights a dot for each port in use, and no others", () => {
    fc.assert(
      fc.property(fc.nat(PORTS - 1), (port) => {
        const dots = toBraille(portsOf(port), { columns: 16, rows: 8 }).join("");
        const lit = [...dots].filter((sign) => sign !== "\u2800");
        expect(lit).toHaveLength(1);
      }),
    );
    expect(toBraille(new Uint8Array(PORTS), { columns: 16, rows: 8 }).join("")).toBe("\u2800".repeat(128));
    expect(toBraille(field(0, 65_535), { columns: 16, rows: 8 }).join("")).toBe("\u28ff".repeat(128));
  });
});
