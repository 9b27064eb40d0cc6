// Tests source ports that other programs use, on real sockets: a run cannot get the ports that the doctor counts as
// taken.
import { execFileSync } from "node:child_process";
import { beforeEach, describe, expect, it } from "vitest";
import type { ConnectResult, Prediction } from "../../src/index.js";
import { socketsInSs } from "../support/kernel.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { resultOf, runCli, startCli } from "../support/process.js";
import { acceptMany, close, connectRaw, listenRaw } from "../support/raw-sockets.js";
import { until } from "../support/until.js";

const PORT = 7777;
const SOURCE = "127.0.0.2";
const CHOSEN = ["--source-port", "kernel"];
/** One port within the kernel's range, and one outside it. */
const SHARED = ["--source-port", "40000-40199"];
const BOUND = ["--source-port", "30000-30199"];

/** It reads the descriptors of all processes on this host; other tests may have hundreds of thousands. */
const DOCTOR_MS = 100_000;

const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

/** Leaves sockets in TIME_WAIT from these ports towards its own listener on `to`. */
function leaveTimeWaits(to: string, ports: readonly number[]): void {
  const listener = listenRaw(to, PORT);
  for (const port of ports) {
    const client = connectRaw(to, PORT, { ip: SOURCE, port });
    const [accepted] = acceptMany(listener, 1);
    close(client);
    close(accepted!);
  }
  close(listener);
}

async function predicted(at: string, ports: readonly string[]): Promise<Prediction> {
  const load = ["--source-ip", SOURCE, ...ports, "-c", "300", "--no-measure", "--json"];
  const { stdout } = await runCli(["doctor", "--target", at, ...load], { deadlineMs: DOCTOR_MS });
  return JSON.parse(stdout);
}

async function reached(at: string, ports: readonly string[]): Promise<number> {
  const { stdout } = await runCli(["connect", at, "-c", "300", "-T", "0", "--json", "--source-ip", SOURCE, ...ports]);
  return (resultOf(stdout) as ConnectResult).established;
}

describe.skipIf(!canMakeNamespaces())("ports used by other sockets", { timeout: 240_000 }, () => {
  beforeEach(() => {
    enterNamespace();
    execFileSync("sysctl", ["-qw", "net.ipv4.ip_local_port_range=40000 40199"]);
    // Without this, a stray RST, the answer to a late ACK, would end a TIME_WAIT early (RFC 1337).
    execFileSync("sysctl", ["-qw", "net.ipv4.tcp_rfc1337=1"]);
  });
  const serve = async (ip = "127.0.0.1") => {
    // The server sends no greeting: a greeting to a client that has closed is answered with RST and leaves no
    // TIME_WAIT.
    await startCli(["serve", `${ip}:${PORT}`, "--log", "none", "--mode", "discard"]).prints(/listening on/);
    return `${ip}:${PORT}`;
  };

  it.each([
    ["bound by number", BOUND, 200],
    ["chosen by the kernel", CHOSEN, 140],
    ["in the kernel's range", SHARED, 140],
  ])("towards another destination: %s", async (_, ports, free) => {
    const at = await serve();
    const elsewhere = listenRaw("127.0.0.5", PORT);
    // The port number is exclusive if the kernel chooses; with SO_REUSEADDR, it can be bound again.
    for (const port of [...range(40_000, 60), ...range(30_000, 60)]) {
      connectRaw("127.0.0.5", PORT, { ip: "127.0.0.9", port });
    }
    acceptMany(elsewhere, 120);
    const { ceiling, notes } = await predicted(at, ports);
    expect([ceiling, notes]).toEqual([free, []]);
    expect(await reached(at, ports)).toBe(free);
  });

  it.each([
    ["bound by number", BOUND, 190],
    ["chosen by the kernel", CHOSEN, 170],
    ["in the kernel's range", SHARED, 170],
  ])("with a listener: %s", async (_, ports, free) => {
    const at = await serve();
    for (const first of [30_000, 40_000]) {
      for (const port of range(first, 10)) listenRaw(SOURCE, port);
      // These do not conflict with an explicit bind, but the kernel's own choice skips them.
      for (const port of range(first + 10, 10)) listenRaw("127.0.0.9", port);
      for (const port of range(first + 20, 10)) listenRaw("::", port, { isV6Only: true });
    }
    expect((await predicted(at, ports)).ceiling).toBe(free);
    expect(await reached(at, ports)).toBe(free);
  });

  it.each([
    ["bound by number", BOUND, range(30_000, 50), 200],
    ["in the kernel's range", SHARED, range(40_000, 50), 150],
  ])("in TIME_WAIT with tcp_tw_reuse off: %s", async (_, ports, taken, free) => {
    execFileSync("sysctl", ["-qw", "net.ipv4.tcp_tw_reuse=0"]);
    leaveTimeWaits("127.0.0.1", taken);
    const at = await serve();
    expect((await predicted(at, ports)).ceiling).toBe(free);
    expect(await reached(at, ports)).toBe(free);
  });

  it("in TIME_WAIT can be chosen by the kernel on loopback after a second", async () => {
    const at = await serve();
    expect(await reached(at, [...CHOSEN, "--close", "fin"])).toBe(200);
    // The server's FIN comes last, possibly after the client has ended.
    await until(
      "all in TIME_WAIT",
      () => socketsInSs(`dport = :${PORT}`, "time-wait"),
      ({ length }) => length === 200,
    );
    execFileSync("sysctl", ["-qw", "net.ipv4.tcp_tw_reuse=0"]);
    expect((await predicted(at, CHOSEN)).ceiling).toBe(0);
    execFileSync("sysctl", ["-qw", "net.ipv4.tcp_tw_reuse=2"]);
    expect((await predicted(at, CHOSEN)).ceiling).toBe(200);
    const again = () => reached(at, [...CHOSEN, "--close", "rst"]);
    // Wait for all of them, because the first may be old enough before the others.
    await until("they are old enough", again, (count) => count === 200, 20_000);
  });

  it("a reserved port is never chosen by connect(), even as the only allowed one", async () => {
    const at = await serve();
    execFileSync("sysctl", ["-qw", "net.ipv4.ip_local_reserved_ports=40000-40049"]);
    expect((await predicted(at, SHARED)).ceiling).toBe(150);
    expect(await reached(at, SHARED)).toBe(150);
  });
});
