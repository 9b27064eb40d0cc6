// Tests the server of the live page over HTTP: who may see and stop a run, and that no page holds up its end.
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { ownAddress } from "../support/address.js";
import { ask, pageOf } from "../support/live-page.js";
import { startForeignServer, startServer } from "../support/peers.js";
import { runCli, startCli } from "../support/process.js";
import { metricsUrl, scrape } from "../support/scrape.js";
import { until } from "../support/until.js";

async function startWatched(...options: string[]) {
  const server = await startServer();
  const run = startCli([
    ...["connect", `${server.address.ip}:${server.address.port}`, "-c", "100", "-T", "forever"],
    ...["--ui", `${ownAddress()}:0`, ...options],
  ]);
  const url = await pageOf(run);
  await until("all are open", () => server.snapshot().open === 100);
  return { server, run, url };
}

describe("the live page of a run", () => {
  it("answers its own requests, and refuses those of other sites and for other names", async () => {
    const { run, url } = await startWatched();
    const page = await ask(url);
    expect(page.status).toBe(200);
    expect(page.headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'sha256-/);
    expect(page.text).toMatch(/^<!doctype html>/);
    // Nothing in the page names another host.
    expect(page.text.replaceAll("http://www.w3.org/", "")).not.toMatch(/\b(src|href)="?(https?:)?\/\//);

    const token = { "x-fourtuple-token": url.hash.slice(1) };
    const stop = new URL("/stop", url);
    for (const [headers, status] of [
      [{ host: `evil.example:${url.port}`, ...token }, 403],
      [{ origin: "http://evil.example", ...token }, 403],
      [{ "sec-fetch-site": "cross-site", ...token }, 403],
      [{ "x-fourtuple-token": "0".repeat(32) }, 403],
      [{}, 403],
    ] as const) {
      expect(await ask(stop, { method: "POST", headers })).toMatchObject({ status });
    }
    expect(await ask(new URL("/events", url), { headers: { host: "evil.example" } })).toMatchObject({ status: 403 });
    expect(await ask(stop, { headers: token })).toMatchObject({ status: 405 });
    expect(await ask(new URL("/../etc/passwd", url))).toMatchObject({ status: 404 });
    expect(run.isRunning).toBe(true);

    expect(await ask(stop, { method: "POST", headers: token })).toMatchObject({ status: 202 });
    const { code, stdout } = await run.exited();
    expect(stdout).toMatch(/ESTABLISHED +100/);
    expect(code).toBe(0);
  });

  it("does not wait for a page that reads nothing", async () => {
    const { run, url, server } = await startWatched();
    const deaf = connect({ host: url.hostname, port: Number(url.port) });
    onTestFinished(() => void deaf.destroy());
    await once(deaf, "connect");
    // The command exits while the page still sends or has not read, so the kernel may reset this connection.
    deaf.on("error", () => undefined);
    deaf.pause();
    deaf.write(`GET /events HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
    await run.kill("SIGINT");
    // The server learns of the closes a moment later.
    await until("none is open", () => server.snapshot().open === 0);
  });

  it("ends with the report, for pages that follow it to the end", async () => {
    const { run, url } = await startWatched("--json");
    const events = ask(new URL("/events", url));
    expect(JSON.parse(run.stdout.split("\n")[0]!)).toMatchObject({ event: "started", ui: url.href });
    await until("a snapshot", () => run.stdout.includes('"stage":"hold"'));
    await ask(new URL("/stop", url), { method: "POST", headers: { "x-fourtuple-token": url.hash.slice(1) } });
    const { text } = await events;
    const [begin] = text.split("\n\n");
    expect(begin).toMatch(/^event: begin\ndata: \{"head":\{"role":"connect"/);
    const last = text.trimEnd().split("\n\n").at(-1)!;
    expect(last).toMatch(/^event: end\ndata: /);
    const { report, file } = JSON.parse(last.slice(last.indexOf("{")));
    expect(file).toBe("fourtuple-connect.html");
    expect(report).toContain("All 100 connections opened");
    await run.exited();
  });

  it("says why a run could not start", async () => {
    const { code, stderr } = await runCli([
      "connect",
      "127.0.0.1:1",
      "--source-ip",
      "192.0.2.77",
      "--ui",
      `${ownAddress()}:0`,
    ]);
    expect(stderr).toMatch(/live page: http[\s\S]*Fatal error: .*192\.0\.2\.77/);
    expect(code).not.toBe(0);
  });
});

describe("the address of the live page", () => {
  it("must be free, and is reported before anything is opened", async () => {
    const taken = await startForeignServer();
    const { code, stderr } = await runCli(["serve", `${ownAddress()}:0`, "--ui", taken.at]);
    expect(stderr).toContain(`the live page cannot use ${taken.at}: the port is in use`);
    expect(code).not.toBe(0);
  });

  it.each([
    ["0.0.0.0:0", true],
    [`${ownAddress()}:0`, false],
  ])("may be %s, and a note says if other hosts can watch: %s", async (address, isNoted) => {
    const { stderr } = await runCli(["connect", "127.0.0.1:1", "--source-ip", "192.0.2.77", "--ui", address]);
    expect(stderr).toContain("live page: http");
    expect(stderr.includes("note: any host that reaches this address can watch the run\n")).toBe(isNoted);
  });

  it.each([["example.com:80"], ["127.0.0.1"], ["127.0.0.1:1-5"]])("cannot be %s", async (address) => {
    const { code, stderr } = await runCli(["serve", `${ownAddress()}:0`, "--ui", address]);
    expect(stderr).toMatch(/Fatal error: /);
    expect(code).toBe(2);
  });
});

it("the lab shows its experiments, and its page stops it and gets the report", async () => {
  const run = startCli(["lab", "--loopback", "--quick", "--only", "E1", "--ui", `${ownAddress()}:0`]);
  const url = await pageOf(run);
  const events = ask(new URL("/events", url));
  await run.prints(/E1 /);
  const headers = { "x-fourtuple-token": url.hash.slice(1) };
  expect(await ask(new URL("/stop", url), { method: "POST", headers })).toMatchObject({ status: 202 });
  const { text } = await events;
  expect(text).toMatch(/event: begin\ndata: \{"head":\{"role":"lab"/);
  expect(text).toContain('"experiments":[{"id":"E1"');
  expect(text).toMatch(/event: end\ndata: \{"report":"<!doctype html>.*stopped in E1/);
  expect((await run.exited()).code).toBe(130);
});

it("the demo shows its client, and serves the client's metrics", async () => {
  const demo = startCli(["demo", "-c", "300", "--ui", `${ownAddress()}:0`, "--metrics", `${ownAddress()}:0`]);
  const { text } = await ask(await pageOf(demo));
  expect(text).toMatch(/^<!doctype html>/);
  expect(await scrape(await metricsUrl(demo))).toMatch(/^fourtuple_connect_requested 300$/m);
  demo.child.kill("SIGINT");
  expect((await demo.exited()).code).toBe(130);
});

it("a server's page and metrics are named in its first event", async () => {
  const server = startCli([
    "serve",
    `${ownAddress()}:0`,
    "--json",
    "--ui",
    `${ownAddress()}:0`,
    "--metrics",
    `${ownAddress()}:0`,
  ]);
  const [line] = await server.prints(/^.*listening.*$/m);
  const { ui, metrics } = JSON.parse(line);
  expect(ui).toBe((await pageOf(server)).href);
  expect(metrics).toBe(await metricsUrl(server));
  server.child.kill("SIGINT");
  expect((await server.exited()).code).toBe(0);
});
