// Tests `serve --transport packet` with clients on the kernel's TCP, ours and those of other programs, in a network
// namespace.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { listeningAt, socketsInSs } from "../../support/kernel.js";
import { canMakeNamespaces } from "../../support/namespace.js";
import { connect, devices, FREE, inNamespace, OWN, serve, UNOWNED } from "../../support/packet-runs.js";
import { hasProgram, resultOf, runCli, start, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

const PACKET = ["--transport", "packet"];
const THREADS = availableParallelism();

/** Runs a client program to its end. @returns what it printed */
async function printedBy(program: string, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await start(program, args, input === undefined ? {} : { input }).exited();
  expect([stderr, code]).toEqual(["", 0]);
  return stdout;
}

describe.skipIf(!canMakeNamespaces())("serve --transport packet", () => {
  it("meets the kernel's clients, and those without kernel sockets, and counts packets", async () => {
    inNamespace();
    const { at, stopped } = await serve([...PACKET, "--mode", "echo"], `${UNOWNED}:7777`);
    expect(at).toBe(`${UNOWNED}:7777`);
    const messages = ["-c", "900", "-m", "hello", "-n", "3000"];
    for (const source of [["--source-ip", OWN], FREE]) {
      const { result } = await connect([at, ...source, ...messages]);
      expect(result).toMatchObject({ outcome: "met", established: 900, lost: 0, messages: { answered: 3000 } });
    }
    const result = await stopped();
    expect(result).toMatchObject({ accepted: 1800, transport: "packet", threads: THREADS, failures: [] });
    expect(result.packets).toMatchObject({ malformed: 0, badChecksums: 0, icmp: [] });
    // Per connection: SYN, ACK, and the client's RST or FIN; per message: at least the message itself.
    expect(result.packets.receivedPackets).toBeGreaterThan(1800 * 3 + 6000);
    expect(result.packets.sentPackets).toBeGreaterThan(1800 + 6000);
    expect(result).not.toHaveProperty("kernel");
    expect(devices()).toEqual([]);
  });

  it("ends if another program removes one of its devices", async () => {
    inNamespace();
    const { server } = await serve(PACKET, "10.65.0.1-10.65.0.5:7777");
    await printedBy("ip", ["link", "del", devices().at(-1)!]);
    const { code, stderr } = await server.exited();
    expect([code, stderr]).toEqual([1, expect.stringContaining("removed the server's TUN device")]);
    expect(devices()).toEqual([]);
  });

  it.each([
    ["brings its device down", "link set DEVICE down"],
    ["removes its routes", `route del ${UNOWNED}`],
  ])("ends if another program %s, even without any packet", async (_, command) => {
    inNamespace();
    const { server } = await serve(PACKET, `${UNOWNED}:7777`);
    await printedBy("ip", command.replace("DEVICE", devices()[0]!).split(" "));
    const { code, stderr } = await server.exited();
    expect([code, stderr]).toEqual([1, expect.stringContaining("or brought it down")]);
    expect(devices()).toEqual([]);
  });

  it("shares one address among all threads, and ends connections with FIN", async () => {
    if (THREADS === 1) return;
    inNamespace();
    const { at, stopped } = await serve(PACKET, `${UNOWNED}:7777`);
    const { stdout } = spawnSync("ip", ["-d", "-j", "link", "show", "dev", devices()[0]!], { encoding: "utf8" });
    expect(JSON.parse(stdout)[0].linkinfo.info_data).toMatchObject({ multi_queue: true, numqueues: THREADS });
    const client = startCli(["connect", at, "-c", "300", "-T", "1m", "--json"]);
    await client.prints(/"stage":"hold"/);
    expect(await stopped()).toMatchObject({ accepted: 300, failures: [] });
    expect(devices()).toEqual([]);
    // Each connection ends with a FIN: packets of none came to another thread, which would reset it.
    await until("all connections have ended", () => /"lost":300/.test(client.stdout));
    client.child.kill("SIGINT");
    expect(resultOf((await client.exited()).stdout)).toMatchObject({
      established: 300,
      losses: [{ errno: "FIN", count: 300 }],
    });
  });

  it.each([
    ["10.65.0.1-10.65.0.5", ["10.65.0.1", "10.65.0.3", "10.65.0.5"]],
    ["[fd00:65::/126]", ["[fd00:65::]", "[fd00:65::3]"]],
  ])("listens on all of %s, with a thread and a device for each part", async (range, some) => {
    inNamespace();
    const { server, port, stopped } = await serve([...PACKET, "--mode", "echo"], `${range}:7777`);
    const { lastIp } = JSON.parse(server.stdout.split("\n")[0]!);
    expect(lastIp).toBe(range.startsWith("[") ? "fd00:65::3" : "10.65.0.5");
    const isShared = THREADS > (range.startsWith("[") ? 4 : 5);
    expect(devices().length).toBe(isShared ? 1 : THREADS);
    const to = some.map((ip) => `${ip}:${port}`);
    const client = startCli(["connect", ...to, "-c", "300", "-m", "hello", "-r", "2", "-T", "1m", "--json"]);
    await client.prints(/"stage":"hold"/);
    // The server's count agrees with what the kernel has at the clients' side.
    const ends = () => socketsInSs(`dport = :${port}`);
    expect((await ends()).length).toBe(300);
    await server.prints(/"open":300,/);
    client.child.kill("SIGINT");
    await client.exited();
    await until("no connection is left", async () => (await ends()).length === 0);
    expect(await stopped()).toMatchObject({ accepted: 300, peakOpen: 300, threads: THREADS, failures: [] });
  });

  it("refuses ranges that it cannot listen on", async () => {
    inNamespace();
    const cases: [string, RegExp][] = [
      ["10.65.0.1:7777-7779", /listens on one port/],
      [":7777", /fix: use addresses that no host has/],
      ["10.99.0.0/24:7777", /is not free: 10\.99\.0\.1\/32 is an address of this host/],
      ["10.65.0.9-10.65.0.1:7777", /is reversed/],
      ["[fd00::ffff:fff0-fd00::1:0:1]:7777", /the last 32 bits of addresses wrap around/],
    ];
    const said = await Promise.all(cases.map(async ([at]) => (await runCli(["serve", at, ...PACKET])).stderr));
    cases.forEach(([, pattern], n) => {
      expect(said[n]).toMatch(pattern);
    });
  });

  it("answers curl over TLS", async () => {
    if (!hasProgram("curl")) return;
    inNamespace();
    const { at, stopped } = await serve(PACKET, `https://${UNOWNED}:0`);
    const urls = Array.from({ length: 5 }, (_, n) => `https://${at}/${n}`);
    expect(await printedBy("curl", ["-sSk", "-w", " %{http_code},", ...urls])).toBe("hello 200,".repeat(5));
    expect(await stopped()).toMatchObject({ accepted: 1, tls: { secured: 1 }, responses: { "2xx": 5 }, failures: [] });
  });

  it("echoes to nc and redis-cli", async () => {
    inNamespace();
    const { ip, port, stopped } = await serve([...PACKET, "--mode", "echo"], `${UNOWNED}:0`);
    let count = 0;
    if (hasProgram("nc")) {
      const text = "0123456789\n".repeat(30_000);
      expect((await printedBy("nc", ["-N", ip, `${port}`], text)) === text).toBe(true);
      count++;
    }
    if (hasProgram("redis-cli")) {
      // A command is an array of strings, and so is its echo.
      const printed = await printedBy("redis-cli", ["-h", ip, "-p", `${port}`, "SET", "key", "value"]);
      expect(printed.trim().split("\n")).toEqual(["SET", "key", "value"]);
      count++;
    }
    expect(await stopped()).toMatchObject({ accepted: count, failures: [] });
  });

  it("serves behind haproxy", async () => {
    if (!hasProgram("haproxy")) return;
    inNamespace();
    const { at, stopped } = await serve(PACKET, `http://${UNOWNED}:0`);
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-haproxy-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "haproxy.cfg");
    writeFileSync(
      file,
      `defaults
  mode http
  timeout connect 20s
  timeout client 20s
  timeout server 20s
listen front
  bind ${OWN}:8080
  server behind ${at}
`,
    );
    start("haproxy", ["-db", "-f", file]);
    await until("haproxy listens", () => listeningAt({ ip: OWN, port: 8080 }) === 1);
    const { result } = await connect([`http://${OWN}:8080/`, "-c", "50", "-n", "500"]);
    expect(result).toMatchObject({ outcome: "met", established: 50, messages: { answered: 500 } });
    expect(await stopped()).toMatchObject({ responses: { "2xx": 500 }, failures: [] });
  });

  it("goes on after SIGSTOP, and leaves no device behind when it is killed", async () => {
    inNamespace();
    const { server, ip, port } = await serve([...PACKET, "--mode", "echo"], `${UNOWNED}:0`);
    const client = startCli(["connect", `${ip}:${port}`, "-c", "100", "-m", "x", "-r", "20", "-T", "1m", "--json"]);
    await client.prints(/"stage":"hold"/);
    server.child.kill("SIGSTOP");
    const rows = () => socketsInSs(`dport = :${port}`);
    const isUnacknowledged = (row: string) => !/^\s*\d+\s+0\s/.test(row);
    await until("messages wait", rows, (found) => found.length === 100 && found.every(isUnacknowledged));
    server.child.kill("SIGCONT");
    await until("none waits", rows, (found) => found.length === 100 && found.some((row) => !isUnacknowledged(row)));
    await server.kill("SIGKILL");
    await until("the device is gone", () => devices().length === 0);
    client.child.kill("SIGINT");
    expect(resultOf((await client.exited()).stdout)).toMatchObject({ established: 100, failed: 0 });
  });
});
