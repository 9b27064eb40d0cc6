// Tests `fourtuple exporter` from outside: what it serves agrees with the host, and how it starts and ends.
import { readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../../dist/index.js";
import { ownAddress } from "../../support/address.js";
import { canMakeNamespaces, enterNamespace, makeNamespace } from "../../support/namespace.js";
import { startForeignServer } from "../../support/peers.js";
import { runCli, start, startCli, type TestProcess } from "../../support/process.js";
import { close, connectRaw, listenRaw } from "../../support/raw-sockets.js";
import { sampleOf, scrape } from "../../support/scrape.js";
import { until } from "../../support/until.js";

const PRINTED = /metrics on (http:\S+)/;

async function startExporter(...args: string[]): Promise<{ exporter: TestProcess; url: string }> {
  const exporter = startCli(["exporter", "--listen", `${ownAddress()}:0`, ...args]);
  const [, url] = await exporter.prints(PRINTED);
  return { exporter, url: url! };
}

it("a listener, a limit and the settings of the host are as the kernel has them", async () => {
  const server = await serve({ at: `${ownAddress()}:0`, backlog: 77 });
  onTestFinished(async () => void (await server.stop()));
  const { url } = await startExporter("--top", "1000");
  const text = await scrape(url);
  const at = { listener: server.address.ip, port: `${server.address.port}` };
  expect(sampleOf(text, "fourtuple_accept_queue_capacity", at)).toBe(78);
  expect(sampleOf(text, "fourtuple_accept_queue_length", at)).toBe(0);
  const [, max] = readFileSync("/proc/sys/fs/file-nr", "utf8").trim().split(/\s+/).slice(1);
  const fileMax = { limit: "file-max", unit: "descriptors", scope: "host" };
  expect(sampleOf(text, "fourtuple_limit", fileMax)).toBe(Number(max));
  const used = sampleOf(text, "fourtuple_limit_used", fileMax)!;
  expect(used).toBeGreaterThan(0);
  expect(sampleOf(text, "fourtuple_limit_headroom", fileMax)).toBe(Number(max) - used);
  expect(sampleOf(text, "fourtuple_exporter_collector_success", { collector: "sockets" })).toBe(1);
  expect(sampleOf(text, "fourtuple_exporter_reading_cpu_seconds")).toBeGreaterThan(0);
});

it("an accept queue that drops connections is exactly full, one above its backlog", async () => {
  const at = { listener: ownAddress(), port: "7000" };
  listenRaw(at.listener, 7000, { backlog: 10 });
  for (let n = 0; n < 14; n++) connectRaw(at.listener, 7000);
  const { url } = await startExporter("--top", "1000");
  const text = await scrape(url);
  expect(sampleOf(text, "fourtuple_accept_queue_length", at)).toBe(11);
  expect(sampleOf(text, "fourtuple_accept_queue_capacity", at)).toBe(11);
  expect(sampleOf(text, "fourtuple_accept_queue_drops_total", at)).toBeGreaterThanOrEqual(3);
});

it.skipIf(!canMakeNamespaces())("drops never decrease, whichever queue is the fullest", async () => {
  enterNamespace();
  const at = (port: number) => ({ listener: "127.0.0.1", port: `${port}` });
  const first = listenRaw("127.0.0.1", 7001, { backlog: 1, sharesPort: true });
  for (let n = 0; n < 8; n++) connectRaw("127.0.0.1", 7001);
  listenRaw("127.0.0.1", 7002, { backlog: 8 });
  const { url } = await startExporter("--top", "1");
  const dropped = async () => {
    const text = await scrape(url);
    expect(text).not.toMatch(/accept_queue_drops_total\{listener="other"/);
    return sampleOf(text, "fourtuple_accept_queue_drops_total", at(7001));
  };
  const before = await dropped();
  expect(before).toBeGreaterThan(0);
  for (let n = 0; n < 5; n++) connectRaw("127.0.0.1", 7002);
  expect(sampleOf(await scrape(url), "fourtuple_accept_queue_length", at(7002))).toBe(5);
  expect(await dropped()).toBeGreaterThanOrEqual(before!);
  listenRaw("127.0.0.1", 7001, { sharesPort: true });
  close(first);
  expect(await dropped()).toBeGreaterThanOrEqual(before!);
});

it.skipIf(!canMakeNamespaces())("sockets are counted by state, all in one reading", async () => {
  enterNamespace();
  const server = startCli(["serve", "127.0.0.1:7777"]);
  await server.prints(/listening/);
  const client = startCli(["connect", "127.0.0.1:7777", "-c", "30", "-T", "forever", "--metrics", "127.0.0.1:9476"]);
  const opened = async () => sampleOf(await scrape("http://127.0.0.1:9476/metrics"), "fourtuple_connect_open");
  await until(
    "30 connections",
    () => opened().catch(() => undefined),
    (open) => open === 30,
  );
  const { url } = await startExporter();
  const text = await scrape(url);
  const count = (state: string) => sampleOf(text, "fourtuple_tcp_sockets", { state });
  // Both ends of all connections, and of the scrape.
  expect(count("ESTABLISHED")).toBe(2 * 30 + 2);
  expect(count("LISTEN")).toBe(3);
  const pair = { source: "127.0.0.1", destination: "127.0.0.1", destination_port: "7777" };
  expect(sampleOf(text, "fourtuple_source_ports_in_use", pair)).toBe(30);
  client.child.kill("SIGINT");
  await client.exited();
});

it.skipIf(!canMakeNamespaces())("--netns shows another namespace, to scrapes from this one", async () => {
  const name = makeNamespace();
  const listen = "require('node:net').createServer().listen(7003, '127.0.0.1', 20, () => console.log('listening'))";
  const inside = ["ip", ["netns", "exec", name]] as const;
  await start(inside[0], [...inside[1], process.execPath, "-e", listen]).prints(/listening/);
  await start(inside[0], [...inside[1], "sysctl", "-w", "net.ipv4.ip_local_port_range=40000 40999"]).exited();
  const { url } = await startExporter("--netns", name);
  const text = await scrape(url);
  const at = { listener: "127.0.0.1", port: "7003" };
  expect(sampleOf(text, "fourtuple_accept_queue_capacity", at)).toBe(21);
  expect(sampleOf(text, "fourtuple_tcp_sockets", { state: "LISTEN" })).toBe(1);
  expect(sampleOf(text, "fourtuple_ephemeral_ports")).toBe(1000);
});

it("limits are those that programs of this host share, not the exporter's own", async () => {
  const { url } = await startExporter();
  const scopes = [...(await scrape(url)).matchAll(/^fourtuple_limit\{.*scope="(\w+)"/gm)].map(([, scope]) => scope);
  expect([...new Set(scopes)].sort()).toEqual(["host", "namespace"]);
});

it("the number of series does not grow with the number of listeners", async () => {
  const { url } = await startExporter("--top", "2");
  const series = async () => (await scrape(url)).match(/^fourtuple_accept_queue_length\{/gm)!.length;
  expect(await series()).toBeLessThanOrEqual(3);
  const servers = await Promise.all(Array.from({ length: 5 }, () => serve({ at: `${ownAddress()}:0` })));
  onTestFinished(async () => void (await Promise.all(servers.map((server) => server.stop()))));
  expect(await series()).toBe(3);
});

describe("exit", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("0 after %s", async (signal) => {
    const { exporter, url } = await startExporter();
    await scrape(url);
    exporter.child.kill(signal);
    const { code, stderr } = await exporter.exited();
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("1 if the port is in use, with its owner", async () => {
    const foreign = await startForeignServer();
    const { code, stderr } = await runCli(["exporter", "--listen", foreign.at]);
    expect(stderr).toMatch(/Fatal error: .*port is in use[\s\S]*fix: /);
    expect(code).toBe(1);
  });

  it.each([
    [["--listen", "127.0.0.1"], /has no port/],
    [["--top", "0"], /from 1 to 1,?000/],
    [["--listen", ":7000-7001"], /several ports/],
  ])("2 for %j", async (args, message) => {
    const { code, stderr } = await runCli(["exporter", ...args]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

it("a warning says that an address is open to other hosts", async () => {
  const exporter = startCli(["exporter", "--listen", "0.0.0.0:0"]);
  await exporter.prints(PRINTED);
  exporter.child.kill("SIGTERM");
  expect((await exporter.exited()).stderr).toMatch(/any host that reaches this address/);
});
