// Tests that ESTABLISHED at the client does not mean accepted: only what the server's program has accepted counts.
// These servers stop accepting in ways that look the same to the client.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { explainRun } from "../../../src/diagnosis/explain.js";
import type { ConnectResult, Diagnosis } from "../../../src/index.js";
import { endpoint, ownAddress, ownPort } from "../../support/address.js";
import { canFreeze, freeze } from "../../support/cgroup.js";
import { establishedInSs, socketsInSs } from "../../support/kernel.js";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import {
  connectForeign,
  startClient,
  startForeignServer,
  startServer,
  startServerProcess,
} from "../../support/peers.js";
import { hasProgram, resultOf, runCli, start } from "../../support/process.js";
import { acceptAll, listenRaw } from "../../support/raw-sockets.js";
import { until, within } from "../../support/until.js";

const HOLD_MS = 1200;

const unaccepted = (count: number, of: number) => [{ kind: "unaccepted", count, of }];

/** Runs to the end of the hold, or holds until `during` is done. */
async function hold(ip: string, port: number, connections: number, during?: () => void) {
  const durationMs = during ? Number.POSITIVE_INFINITY : HOLD_MS;
  const run = await startClient({ to: endpoint({ ip, port }), connections, durationMs });
  await until(
    `${connections} at the server's end`,
    () => establishedInSs(port, ip),
    (sockets) => sockets === connections,
  );
  if (during) await within("the hold", run.ready);
  during?.();
  const result = await within("the end", during ? run.stop() : run.done);
  return { result, diagnosis: explainRun(result) };
}

describe("a server that stops accepting", () => {
  it("misses the target: connections waiting in its queue are counted", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    listenRaw(ip, port);
    const { result, diagnosis } = await hold(ip, port, 30);
    expect(result).toMatchObject({ outcome: "missed", established: 30, failed: 0, misses: unaccepted(30, 30) });
    expect(diagnosis).toMatchObject({ reached: 0, finding: { limit: "accept-queue", whose: "peer" } });
    expect(diagnosis.finding!.meaning).toMatch(/accepts nothing: 30 connections wait in its accept queue/);
  });

  it("also misses it if the hold has no time limit and is stopped", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    listenRaw(ip, port);
    const run = await startClient({
      to: endpoint({ ip, port }),
      connections: 30,
      durationMs: Number.POSITIVE_INFINITY,
    });
    await until(
      "30 at the server's end",
      () => establishedInSs(port, ip),
      (sockets) => sockets === 30,
    );
    await within("the hold", run.ready);
    const result = await within("the end", run.stop());
    expect(result).toMatchObject({ outcome: "missed", evidence: { accepting: { isMoving: false } } });
  });

  it("before the run, with its queue full, is not taken for a slow one", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    listenRaw(ip, port, { backlog: 4 });
    // A queue holds one connection more than its limit. Those whose clients have reset them stay in it.
    for (let n = 0; n < 5; n++) {
      const { socket } = await connectForeign({ ip, port });
      socket.resetAndDestroy();
    }
    await until(
      "no client is left",
      () => establishedInSs(port, ip),
      (sockets) => sockets === 0,
    );
    const run = await startClient({ to: endpoint({ ip, port }), connections: 20, connectTimeoutMs: 300 });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({ outcome: "missed", established: 0, failed: 20 });
    const { finding } = explainRun(result);
    expect(finding).toMatchObject({ limit: "accept-queue", whose: "peer" });
    expect(finding!.meaning).toMatch(
      /\(process \d+\) listens but took none of these connections: its accept queue was full before they arrived$/,
    );
    expect(finding!.fix).toMatch(new RegExp(`^check what the server is doing.* fourtuple ports :${port}$`));
    expect(finding!.evidence).toContain(`accept queue of port ${port}: 5 of 4`);
  });

  it.skipIf(!hasProgram("haproxy"))("like haproxy at its maxconn still holds its connections", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-haproxy-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "haproxy.cfg");
    writeFileSync(
      file,
      `global
  maxconn 20
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 5s
  timeout http-request 1h
frontend f
  bind ${ip}:${port} backlog 1024
  http-request return status 200
`,
    );
    const haproxy = start("haproxy", ["-db", "-f", file]);
    await until(
      "haproxy listens",
      () => socketsInSs(`sport = :${port} and src ${ip}`, "listening"),
      (rows) => rows.length > 0,
    );
    const { result, diagnosis } = await hold(ip, port, 30);
    expect(result).toMatchObject({ outcome: "missed", established: 30, misses: unaccepted(10, 30) });
    const fix = "raise the server's connection limit (haproxy: maxconn)";
    expect(diagnosis).toMatchObject({
      wanted: 30,
      reached: 20,
      finding: { limit: "peer-maximum", whose: "peer", fix },
    });
    expect(diagnosis.finding!.meaning).toMatch(
      new RegExp(
        `haproxy \\(process ${haproxy.pid}\\) holds 20 connections and has stopped accepting at its own connection limit.*10 connections wait`,
      ),
    );
  });

  it("because of a signal is reported as stopped", async () => {
    const { ip, port, process } = await startServerProcess({});
    process.child.kill("SIGSTOP");
    const { result, diagnosis } = await hold(ip, port, 12);
    process.child.kill("SIGCONT");
    expect(result).toMatchObject({ outcome: "missed", misses: unaccepted(12, 12) });
    expect(diagnosis.finding!.meaning).toMatch(/^the server is stopped: .*12 connections wait in its accept queue/);
    expect(diagnosis.finding!.fix).toContain(`kill -CONT ${process.pid}`);
  });

  it.skipIf(!canFreeze())("because its cgroup is frozen, as by docker pause, is reported as frozen", async () => {
    const { ip, port, process } = await startServerProcess({});
    freeze(process.pid);
    const { result, diagnosis } = await hold(ip, port, 12);
    expect(result).toMatchObject({ outcome: "missed", misses: unaccepted(12, 12) });
    expect(diagnosis.finding!.meaning).toMatch(/^the server is frozen: .*12 connections wait in its accept queue/);
    expect(diagnosis.finding!.fix).toMatch(/thaw its cgroup/);
  });

  it("for lack of descriptors is reported as out of descriptors", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    start("python3", ["-c", SERVER_THAT_WAITS_FOR_DESCRIPTORS, ip, String(port)], { nofile: 24 });
    await until(
      "it listens",
      () => socketsInSs(`sport = :${port} and src ${ip}`, "listening"),
      (rows) => rows.length > 0,
    );
    const { result, diagnosis } = await hold(ip, port, 40);
    expect(result.outcome).toBe("missed");
    expect(result.misses[0]!.kind).toBe("unaccepted");
    expect(diagnosis.finding).toMatchObject({ limit: "nofile", whose: "peer" });
    expect(diagnosis.finding!.meaning).toMatch(/no descriptors left, and \d+ connections wait in its accept queue/);
  });

  it("in one of several SO_REUSEPORT workers is counted over all of them", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    const [taking, stuck] = [0, 1].map(() => listenRaw(ip, port, { sharesPort: true })) as [number, number];
    let taken = 0;
    const { result } = await hold(ip, port, 200, () => {
      taken = acceptAll(taking).length;
    });
    expect(taken).toBeGreaterThan(0);
    expect(result).toMatchObject({ outcome: "missed", misses: unaccepted(200 - taken, 200) });
    expect(acceptAll(stuck).length).toBeLessThanOrEqual(200 - taken);
  });

  it.skipIf(!hasProgram("python3"))(
    "in one of several SO_REUSEPORT processes does not hold what another has accepted",
    async () => {
      const [ip, port] = [ownAddress(), ownPort()];
      const taking = listenRaw(ip, port, { sharesPort: true });
      const lines = [
        "import socket, time",
        "s = socket.socket()",
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)",
        `s.bind(("${ip}", ${port})); s.listen(1000)`,
        "print('listening', flush=True); time.sleep(600)",
      ];
      const stuck = start("python3", ["-c", lines.join("\n")]);
      await stuck.prints(/listening/);
      let taken = 0;
      const { result, diagnosis } = await hold(ip, port, 200, () => {
        taken = acceptAll(taking).length;
      });
      expect(result.evidence.peer?.process).toMatchObject({ pid: stuck.pid, connections: 0 });
      expect(diagnosis.finding).toMatchObject({ limit: "accept-queue", whose: "peer" });
      expect(diagnosis.finding!.meaning).toMatch(
        new RegExp(
          `\\(process ${stuck.pid}\\) listens but accepts nothing, unlike other processes on that port: ${200 - taken} connections`,
        ),
      );
    },
  );
});

describe("a server that accepts late", () => {
  it("has accepted everything if nothing is waiting at the end of the hold", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    const listener = listenRaw(ip, port);
    const { result } = await hold(ip, port, 30, () => void acceptAll(listener));
    expect(result).toMatchObject({ outcome: "met", misses: [] });
  });

  it("is slower than the ramp, and has no connection limit, while it keeps accepting", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    start("python3", ["-c", SERVER_THAT_TAKES_ITS_TIME, ip, String(port)]);
    await until(
      "it listens",
      () => socketsInSs(`sport = :${port} and src ${ip}`, "listening"),
      (rows) => rows.length > 0,
    );
    const { result, diagnosis } = await hold(ip, port, 60);
    expect(result.misses).toMatchObject([{ kind: "unaccepted", of: 60 }]);
    expect(diagnosis.finding).toMatchObject({ limit: "accept-queue", whose: "peer" });
    expect(diagnosis.finding!.meaning).toMatch(/accepts connections more slowly than they arrive/);
  });
});

describe("a server without a visible accept queue", () => {
  it("because it uses MPTCP meets the target", async () => {
    const [ip, port] = [ownAddress(), ownPort()];
    start("python3", ["-c", MPTCP_SERVER, ip, String(port)]);
    const listening = await until(
      "it listens, or cannot",
      () => socketsInSs(`sport = :${port} and src ${ip}`, "listening"),
      (rows) => rows.length > 0,
    );
    expect(listening).toHaveLength(1);
    const { result } = await hold(ip, port, 30);
    expect(result).toMatchObject({ outcome: "met", misses: [] });
  });

  it.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("because its port is redirected meets the target", async () => {
    enterNamespace();
    listenRaw("127.0.0.1", 8001);
    execFileSync("nft", [
      "table ip n { chain out { type nat hook output priority -100; tcp dport 8000 redirect to :8001; }; }",
    ]);
    const { stdout } = await runCli(["connect", "127.0.0.1:8000", "-c", "20", "-T", "100ms", "--json"]);
    const result: ConnectResult & { diagnosis: Diagnosis } = resultOf(stdout);
    expect(result).toMatchObject({ outcome: "met", established: 20, misses: [] });
  });
});

describe("greetings", () => {
  it("missing on some connections count as a miss once they have taken much longer than any others", async () => {
    let accepted = 0;
    const server = await startForeignServer((socket) => {
      if (++accepted <= 20) socket.write("hello");
    });
    const run = await startClient({ to: server.at, connections: 30, durationMs: 1500 });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({
      outcome: "missed",
      greetings: { greeted: 20, ungreeted: 10, awaited: 0 },
      misses: [{ kind: "ungreeted", count: 10, of: 30 }],
    });
    expect(explainRun(result).finding).toMatchObject({ limit: "peer-silent", whose: "peer" });
  });

  it("that had no time to arrive are only noted", async () => {
    let accepted = 0;
    const server = await startForeignServer((socket) => {
      if (++accepted <= 20) setTimeout(() => socket.write("hello"), 4000);
    });
    const run = await startClient({ to: server.at, connections: 30, durationMs: Number.POSITIVE_INFINITY });
    await until(
      "20 greeted",
      () => run.snapshot().greeted,
      (count) => count === 20,
    );
    // The other connections have waited no longer than the greeted ones did, even if the stop comes some seconds late
    // on a busy host.
    const result = await within("the end", run.stop());
    expect(result).toMatchObject({ outcome: "met", greetings: { greeted: 20, ungreeted: 0, awaited: 10 } });
    // A busy host adds its own note.
    expect(explainRun(result).notes).toContainEqual(expect.stringMatching(/spoke first on 20 connections.*on 10$/));
  });

  it("are not expected from a server that occasionally sends data to some clients", async () => {
    const server = await startForeignServer((socket) => {
      if (server.sockets.size === 3) setTimeout(() => socket.write("news"), 1200);
    });
    const run = await startClient({ to: server.at, connections: 30, durationMs: 1500 });
    expect(await within("the end", run.done)).toMatchObject({ outcome: "met", misses: [], greetings: { greeted: 1 } });
  });

  it("are not confused with answers: no first byte is timed unless the peer speaks first", async () => {
    const server = await startServer({ mode: "echo" });
    const run = await startClient({
      to: endpoint(server.address),
      connections: 10,
      message: "ping",
      messageRatePerSec: 20,
      durationMs: 300,
    });
    const { latency, traffic, greetings } = await within("the end", run.done);
    expect(traffic.answeredMessages).toBeGreaterThan(0);
    expect(latency.firstByte.count).toBe(0);
    expect(greetings).toBeUndefined();
  });
});

const LISTEN = `
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], int(sys.argv[2])))
s.listen(1024)
held = []
`;
/** Servers that retry: accept() fails with EMFILE and is called again a little later. */
const SERVER_THAT_WAITS_FOR_DESCRIPTORS = `${LISTEN}
while True:
    try: held.append(s.accept())
    except OSError: time.sleep(0.1)
`;
const SERVER_THAT_TAKES_ITS_TIME = `${LISTEN}
while True:
    time.sleep(0.1)
    held.append(s.accept())
`;
const MPTCP_SERVER = `
import socket, sys
try: s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
except OSError: s = socket.socket()
s.bind((sys.argv[1], int(sys.argv[2])))
s.listen(1024)
held = []
while True: held.append(s.accept())
`;
