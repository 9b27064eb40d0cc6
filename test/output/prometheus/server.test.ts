// Tests the HTTP server for metrics: shared and late readings, senseless requests, and silent clients.
import { once } from "node:events";
import { connect as openSocket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { type Family, gauge, only } from "../../../src/output/prometheus/families.js";
import { type Collect, serveMetrics } from "../../../src/output/prometheus/server.js";
import { until } from "../../support/until.js";

const FAMILY: Family = { name: "some_value", ...gauge("Some value."), samples: only(1) };
const LATE = { headers: { "X-Prometheus-Scrape-Timeout-Seconds": "0.05" } };

async function startServer(collect: Collect) {
  const server = await serveMetrics("127.0.0.1:0", collect);
  onTestFinished(() => server.close());
  return server;
}

/** A collector whose reading ends on the test's command. */
function controlled() {
  const ends: (() => void)[] = [];
  const collect = () => new Promise<Family[]>((resolve) => ends.push(() => resolve([FAMILY])));
  return { collect, ends };
}

/** Sends raw bytes, and collects the server's answer until it closes. */
class Exchange {
  answer = "";
  readonly closed: Promise<string>;

  constructor(port: number, bytes: string) {
    const socket = openSocket(port, "127.0.0.1", () => socket.write(bytes));
    socket.setEncoding("utf8").on("data", (text) => {
      this.answer += text;
    });
    this.closed = new Promise((resolve) => {
      socket.on("error", () => undefined).on("close", () => resolve(this.answer));
    });
  }
}

/** Starts a scrape. The server answers 100 once it has the request. */
async function startScrape(port: number): Promise<Exchange> {
  const scrape = new Exchange(port, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n\r\n");
  await until("100 Continue", () => scrape.answer.includes(" 100 "));
  return scrape;
}

/** Opens connections that stop in the middle of a request. */
async function startSilentClients(port: number, count: number): Promise<void> {
  for (let client = 0; client < count; client++) {
    const socket = openSocket(port, "127.0.0.1").on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
    await once(socket, "connect");
    socket.write("GET /metrics HTTP/1.1\r\n");
  }
}

it("scrapes at the same time share one reading, and the next one reads anew", async () => {
  const { collect, ends } = controlled();
  const { port } = await startServer(collect);
  const scrapes = await Promise.all(Array.from({ length: 10 }, () => startScrape(port)));
  expect(ends).toHaveLength(1);
  ends[0]!();
  for (const { closed } of scrapes) expect(await closed).toContain("\nsome_value 1\n");
  const next = await startScrape(port);
  expect(ends).toHaveLength(2);
  ends[1]!();
  expect(await next.closed).toContain("\nsome_value 1\n");
});

it("a scrape ends in time although its reading does not, and no second reading begins", async () => {
  const { collect, ends } = controlled();
  const { port, url } = await startServer(collect);
  for (let scrape = 0; scrape < 2; scrape++) {
    const late = await fetch(url, LATE);
    expect(late.status).toBe(503);
    expect(await late.text()).toMatch(/reading the kernel's tables takes longer than 0\.025 s/);
  }
  const next = await startScrape(port);
  expect(ends).toHaveLength(1);
  ends[0]!();
  expect(await next.closed).toContain("\nsome_value 1\n");
});

it("a failed reading is reported, and the next one may succeed", async () => {
  let readings = 0;
  const { url } = await startServer(() => {
    if (readings++ === 0) throw new Error("no table");
    return [FAMILY];
  });
  const failed = await fetch(url);
  expect([failed.status, await failed.text()]).toEqual([500, "no table\n"]);
  expect((await fetch(url)).status).toBe(200);
});

it("the format is OpenMetrics for a client that accepts it, and otherwise the older text", async () => {
  const { url } = await startServer(() => [FAMILY]);
  const accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
  const modern = await fetch(url, { headers: { accept } });
  expect(modern.headers.get("content-type")).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
  expect(await modern.text()).toMatch(/# EOF\n$/);
  const plain = await fetch(url);
  expect(plain.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await plain.text()).not.toContain("EOF");
});

it("other paths and methods are refused", async () => {
  const { port, url } = await startServer(() => [FAMILY]);
  const root = url.replace("metrics", "");
  const answers = await Promise.all(
    (
      [
        ["GET", `${root}`],
        ["GET", `${root}healthz`],
        ["GET", `${url}?name=x`],
        ["HEAD", url],
        ["GET", `${root}metrics/../etc/passwd`],
        ["POST", url],
        ["DELETE", url],
      ] as const
    ).map(async ([method, at]) => (await fetch(at, { method })).status),
  );
  expect(answers).toEqual([200, 200, 200, 200, 404, 405, 405]);
  expect(
    await new Exchange(port, `GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nA: ${"a".repeat(20_000)}\r\n\r\n`).closed,
  ).toMatch(/ 431 /);
  expect(await new Exchange(port, "nonsense\r\n\r\n").closed).toMatch(/ 400 /);
  expect(await new Exchange(port, "HEAD /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").closed).toMatch(
    /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/,
  );
});

it("on loopback, only an IP address or localhost is a valid host, against DNS rebinding", async () => {
  const { port } = await startServer(() => [FAMILY]);
  const statusFor = async (host: string, at = port) =>
    (await new Exchange(at, `GET /metrics HTTP/1.1\r\nHost: ${host}\r\n\r\n`).closed).slice(9, 12);
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, "[::1]:9477"])
    expect(await statusFor(host)).toBe("200");
  for (const host of [`evil.example:${port}`, "localhost.evil.example"]) expect(await statusFor(host)).toBe("403");
  const open = await serveMetrics("0.0.0.0:0", () => [FAMILY]);
  onTestFinished(() => open.close());
  expect(await statusFor("exporter.example:9477", open.port)).toBe("200");
});

it("clients that stop halfway do not keep others from scraping", async () => {
  const { port, url } = await startServer(() => [FAMILY]);
  await startSilentClients(port, 60);
  expect((await fetch(url)).status).toBe(200);
});

it("closing ends at once although clients are connected", async () => {
  const server = await serveMetrics("127.0.0.1:0", () => [FAMILY]);
  await startSilentClients(server.port, 3);
  await server.close();
  await expect(fetch(server.url)).rejects.toThrow();
});
