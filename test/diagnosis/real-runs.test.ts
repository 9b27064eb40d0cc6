// Tests diagnoses of real runs against servers that close, refuse or overflow in similar ways. Tests that depend on
// counters shared by all listeners run in a namespace with another listener that increases them.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { ConnectResult, Diagnosis, ServeResult } from "../../src/index.js";
import { listenOn } from "../../src/linux/syscalls/socket.js";
import { ownAddress, ownPort } from "../support/address.js";
import { establishedInSs, socketsInSs } from "../support/kernel.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { startForeignServerProcess } from "../support/peers.js";
import { hasProgram, resultOf, runCli, startCli } from "../support/process.js";
import { acceptAll, close, connectRaw, listenRaw, setOption } from "../support/raw-sockets.js";
import { until } from "../support/until.js";

const IPPROTO_TCP = 6;
const TCP_DEFER_ACCEPT = 9;
const HOST = "127.0.0.1";

type Explained<R> = R & { readonly diagnosis: Diagnosis };

async function connect(...args: string[]): Promise<Explained<ConnectResult> & { code: number | undefined }> {
  const { stdout, code } = await runCli(["connect", ...args, "--json"]);
  return { ...resultOf(stdout), code };
}

const limitsOf = ({ finding, suspects }: Diagnosis) => (finding ? [finding.limit] : suspects.map(({ limit }) => limit));

describe("a server that closes", () => {
  // A delayed client or server notices or closes that much later. Times are therefore long in comparison, and
  // connections are opened over a period, so that their ages differ.
  it("connections after three seconds has a timeout, not a connection limit", async () => {
    const host = ownAddress();
    const { port } = await startForeignServerProcess({ host, idleMs: 3000 });
    const { diagnosis, evidence } = await connect(
      `${host}:${port}`,
      ...["-c", "300", "--connect-rate", "50", "-T", "100ms"],
    );
    expect(limitsOf(diagnosis)[0], JSON.stringify(diagnosis)).toBe("peer-timeout");
    expect(diagnosis.finding?.limit).not.toBe("peer-maximum");
    expect(evidence.lossPattern!.shortestHeldMs).toBeGreaterThan(1000);
    expect(evidence.lossPattern!.keptYounger).toBe(evidence.lossPattern!.kept);
  });

  it("every tenth connection has no connection limit either", async () => {
    const host = ownAddress();
    const { port } = await startForeignServerProcess({ host, closeEvery: 10 });
    const { diagnosis, lost } = await connect(`${host}:${port}`, ...["-c", "300", "--connect-rate", "150", "-T", "3s"]);
    expect(lost).toBe(30);
    expect(limitsOf(diagnosis), JSON.stringify(diagnosis)).toEqual(["peer-closing", "peer-maximum"]);
  });

  it("connections above its limit has one", async () => {
    const server = startCli(["serve", `${ownAddress()}:0`, "--log", "none", "--max-connections", "100"]);
    const [, at] = await server.prints(/^listening on (.*)$/m);
    const { diagnosis, evidence } = await connect(at!, "-c", "300", "--connect-rate", "150", "-T", "3s");
    expect(limitsOf(diagnosis), JSON.stringify({ diagnosis, evidence })).toEqual(["peer-maximum"]);
    server.child.kill("SIGINT");
    const { stdout } = await server.exited();
    expect(stdout).toMatch(/accepted +300/);
  });
});

it("one refusing destination of two is named", async () => {
  const host = ownAddress();
  const { port } = await startForeignServerProcess({ host });
  const refused = ownPort();
  const { diagnosis } = await connect(`${host}:${port}`, `${host}:${refused}`, "-c", "40", "-T", "100ms");
  expect(diagnosis.finding).toMatchObject({ limit: "listener", whose: "peer" });
  expect(diagnosis.finding!.meaning).toContain(`nothing listens on ${host}:${refused}: 1 of the 2`);
});

it("a server that closes its listening socket has not ended while it keeps connections", async () => {
  const host = ownAddress();
  const port = ownPort();
  const listener = listenRaw(host, port, { backlog: 30 });
  const client = startCli([
    "connect",
    `${host}:${port}`,
    "-c",
    "40",
    "--connect-timeout",
    "20s",
    "-T",
    "100ms",
    "--json",
  ]);
  // Count the server's ends: a client's end can be ESTABLISHED before its last packet finds the queue full.
  await until(
    "the queue is full",
    () => establishedInSs(port, host),
    (sockets) => sockets === 31,
  );
  // From now on, every retransmitted SYN is refused.
  acceptAll(listener);
  close(listener);
  const { diagnosis }: Explained<ConnectResult> = resultOf((await client.exited()).stdout);
  expect(limitsOf(diagnosis), JSON.stringify(diagnosis)).toEqual(["listener"]);
  expect(diagnosis.finding!.meaning).toMatch(/keeps its accepted connections/);
});

describe.skipIf(!canMakeNamespaces())("next to another listener that overflows", () => {
  /** Fills the queue of another listener; each further SYN increases the namespace's counters. */
  function overflowAnother(): void {
    listenRaw(HOST, 9000, { backlog: 1 });
    for (let n = 0; n < 12; n++) connectRaw(HOST, 9000);
  }

  it.skipIf(!hasProgram("nft"))("packets dropped by a firewall are not blamed on a full accept queue", async () => {
    enterNamespace();
    listenRaw(HOST, 8000);
    execFileSync("nft", [
      "table inet t { chain in { type filter hook input priority 0; policy accept; tcp dport 8000 drop; }; }",
    ]);
    const client = startCli([
      ...["connect", `${HOST}:8000`, "-c", "10", "--connect-timeout", "6s", "-T", "100ms", "--json"],
    ]);
    // The counters must increase before the client gives up.
    await until(
      "SYNs",
      () => socketsInSs("dport = :8000", "syn-sent"),
      (sockets) => sockets.length > 0,
    );
    overflowAnother();
    const { diagnosis, evidence }: Explained<ConnectResult> = resultOf((await client.exited()).stdout);
    expect(evidence.deltas["TcpExt.ListenOverflows"]).toBeGreaterThan(0);
    expect(limitsOf(diagnosis), JSON.stringify(diagnosis)).toEqual(["path"]);
  });

  it("a refused port is not blamed on a full accept queue, whatever tcp_abort_on_overflow is", async () => {
    enterNamespace();
    execFileSync("sysctl", ["-qw", "net.ipv4.tcp_abort_on_overflow=1"]);
    overflowAnother();
    const { diagnosis } = await connect(`${HOST}:8000`, "-c", "10", "-T", "100ms");
    expect(limitsOf(diagnosis)).toEqual(["listener"]);
  });

  it("a server that accepted everything hit no limit", async () => {
    enterNamespace();
    const server = startCli(["serve", `${HOST}:8000`, "--json"]);
    await server.prints(/listening/);
    overflowAnother();
    expect(await connect(`${HOST}:8000`, "-c", "10", "-T", "2s")).toMatchObject({ code: 0, isTargetMet: true });
    server.child.kill("SIGINT");
    const { stdout } = await server.exited();
    const result: Explained<ServeResult> = resultOf(stdout);
    expect(result.backlog.listenOverflows).toBeGreaterThan(0);
    expect(result.backlog.drops).toBe(0);
    expect(result.diagnosis).toMatchObject({ outcome: "met", wanted: 10, reached: 10 });
  });

  it.skipIf(!hasProgram("nft"))("a server behind a redirection has not ended", async () => {
    enterNamespace();
    const server = startCli(["serve", `${HOST}:8001`, "--log", "none", "--max-connections", "100"]);
    await server.prints(/listening/);
    execFileSync("nft", [
      "table ip n { chain out { type nat hook output priority -100; tcp dport 8000 redirect to :8001; }; }",
    ]);
    const { diagnosis } = await connect(`${HOST}:8000`, ...["-c", "300", "--connect-rate", "150", "-T", "3s"]);
    expect(limitsOf(diagnosis), JSON.stringify(diagnosis)).toEqual(["peer-maximum", "nofile"]);
    expect(diagnosis.suspects[0]!.evidence.join()).toMatch(/redirected/);
  });

  it("connections ESTABLISHED only at the client do not count as reached", async () => {
    enterNamespace();
    const listener = listenRaw(HOST, 8000, { backlog: 4096 });
    // With TCP_DEFER_ACCEPT, handshakes wait in the SYN queue for data although the client's end is ESTABLISHED;
    // meanwhile the accept queue is shortened. The time is rounded up to retransmissions of the SYN-ACK, after 1, 3 and
    // 7 seconds; the last one lets the handshake through.
    setOption(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
    const client = startCli(["connect", `${HOST}:8000`, "-c", "100", "-T", "11s", "--json"]);
    await until(
      "the client's ends",
      () => socketsInSs("dport = :8000"),
      (sockets) => sockets.length === 100,
    );
    listenOn(listener, 10);
    const { stdout, code } = await client.exited();
    const result: Explained<ConnectResult> = resultOf(stdout);
    expect(result).toMatchObject({ established: 100, failed: 0, lost: 0, isTargetMet: false });
    expect(code).toBe(1);
    expect(limitsOf(result.diagnosis), JSON.stringify(result.diagnosis)).toEqual(["accept-queue"]);
    expect(result.diagnosis).toMatchObject({ outcome: "limited", wanted: 100, reached: 0 });
    const explained = await runCli(["doctor", "--explain", "-"], { input: stdout });
    expect(explained.code).toBe(1);
    expect(explained.stdout).toMatch(/stopped at 0 of 100/);
  });
});
