// Tests refused connections to this host: a listener of the port on another address, a client that connected to itself,
// a listening socket that was recreated during a run.
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ConnectResult, Diagnosis } from "../../src/index.js";
import { SocketAddress } from "../../src/linux/syscalls/sockaddr.js";
import { bindTo, closeFd, openTcp } from "../../src/linux/syscalls/socket.js";
import { parseIp } from "../../src/util/address.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { resultOf, runCli, startCli } from "../support/process.js";
import { acceptAll, close, listenRaw } from "../support/raw-sockets.js";
import { until } from "../support/until.js";

type Run = ConnectResult & { readonly diagnosis: Diagnosis };

async function connect(...args: string[]): Promise<Run> {
  return resultOf((await runCli(["connect", ...args, "-T", "0s", "--json"])).stdout);
}

const me = `\\(process ${process.pid}\\)`;

describe.skipIf(!canMakeNamespaces())("nobody listens", () => {
  it("names a listener on that port at another address or family, for one connection and for many", async () => {
    enterNamespace();
    listenRaw("::", 7001, { isV6Only: true });
    listenRaw("127.0.0.9", 7002);
    listenRaw("0.0.0.0", 7003);
    for (const [to, at, fix] of [
      ["127.0.0.1:7001", "\\[::\\]:7001", /IPv6/],
      ["127.0.0.1:7002", "127\\.0\\.0\\.9:7002", /connect to 127\.0\.0\.9:7002/],
      ["[::1]:7003", "0\\.0\\.0\\.0:7003", /IPv4/],
    ] as const) {
      const { diagnosis, evidence } = await connect(to, "-c", "20");
      expect(diagnosis.finding).toMatchObject({
        limit: "listener",
        whose: "peer",
        meaning: expect.stringMatching(
          new RegExp(`^nothing listens on that port at that address; \\S+ ${me} listens on ${at}$`),
        ),
        fix: expect.stringMatching(fix),
      });
      expect(evidence.peer?.elsewhere).toMatchObject([{ kind: "listening", process: { pid: process.pid } }]);
      const { stderr } = await runCli(["connect", to]);
      expect(stderr).toMatch(
        new RegExp(`ECONNREFUSED, nothing listens on that port at that address; \\S+ ${me} listens on ${at}`),
      );
    }
    // No listener at all.
    expect((await connect("127.0.0.1:7004", "-c", "5")).diagnosis.finding?.meaning).toBe(
      "nothing listens on that port",
    );
  });

  it("names a socket that has bound the port without calling listen()", async () => {
    enterNamespace();
    const fd = openTcp(4);
    bindTo(fd, new SocketAddress(parseIp("127.0.0.1"), 7777));
    const { diagnosis } = await connect("127.0.0.1:7777", "-c", "5");
    closeFd(fd);
    expect(diagnosis.finding?.meaning).toMatch(
      new RegExp(`${me} has bound 127.0.0.1:7777, but has not called listen\\(\\)`),
    );
  });

  it("names the one destination without a listener, with the holder of its port", async () => {
    enterNamespace();
    listenRaw("127.0.0.1", 7777);
    const { diagnosis } = await connect("127.0.0.1:7777", "127.0.0.2:7777", "-c", "20");
    expect(diagnosis.finding?.meaning).toMatch(/nothing listens on 127.0.0.2:7777: 1 of the 2 destinations$/);
    listenRaw("::1", 7778);
    listenRaw("127.0.0.1", 7778);
    const other = await connect("127.0.0.1:7778", "127.0.0.2:7778", "-c", "20");
    expect(other.diagnosis.finding?.meaning).toMatch(
      new RegExp(`1 of the 2 destinations; \\S+ ${me} listens on \\[::1\\]:7778$`),
    );
  });

  it.each(["127.0.0.1", "::1"])("does not count a connection to %s that connected to itself", async (ip) => {
    enterNamespace();
    writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", "40005 40005");
    const to = ip.includes(":") ? `[${ip}]:40005` : `${ip}:40005`;
    const { diagnosis, established, failures } = await connect(to, "--source-port", "kernel", "--source-ip", ip);
    expect(established).toBe(0);
    expect(failures[0]).toMatchObject({ phase: "connect", errno: "SELF" });
    expect(diagnosis.finding).toMatchObject({
      limit: "self-connect",
      whose: "local",
      meaning: expect.stringContaining("the client connected to itself"),
      fix: expect.stringContaining("ip_local_reserved_ports=40005"),
    });
    const { code, stdout, stderr } = await runCli(["connect", to]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("SELF, the client connected to itself");
    // The client neither holds the port nor leaves a TIME_WAIT on it.
    await startCli(["serve", to, "--log", "none"]).prints(/listening on/);
  });
});

describe.skipIf(!canMakeNamespaces())("a listening socket opened during a run", () => {
  const attemptsFailed = () => {
    const [names, values] = readFileSync("/proc/thread-self/net/snmp", "utf8")
      .split("\n")
      .filter((line) => line.startsWith("Tcp:"))
      .map((line) => line.split(" "));
    return Number(values![names!.indexOf("AttemptFails")]);
  };

  it("in place of another is a reload, recognized by its inode", async () => {
    enterNamespace();
    const before = listenRaw("127.0.0.1", 7777);
    const args = ["127.0.0.1:7777", "-c", "150", "--connect-rate", "100", "-T", "0s", "--json"];
    const client = startCli(["connect", ...args]);
    await until(
      "the first connections",
      () => acceptAll(before).length,
      (count) => count > 0,
    );
    close(before);
    await until("refusals", attemptsFailed, (count) => count > 5);
    const after = listenRaw("127.0.0.1", 7777);
    const accepting = setInterval(() => acceptAll(after), 20);
    const { stdout } = await client.exited().finally(() => clearInterval(accepting));
    const { diagnosis, evidence }: Run = resultOf(stdout);
    expect(evidence.peer?.listeners).toMatchObject([{ port: 7777, since: "replaced" }]);
    expect(diagnosis.finding?.meaning, stdout).toContain(
      "closed its listening socket on port 7777 and opened a new one",
    );
    expect(diagnosis.finding?.evidence.join()).toMatch(/inode \d+/);
  });

  it("in place of one that ended with its connections is a restart, not a connection limit", async () => {
    enterNamespace();
    const before = listenRaw("127.0.0.1", 7777);
    const client = startCli(["connect", "127.0.0.1:7777", "-c", "60", "--connect-rate", "50", "-T", "200ms", "--json"]);
    const accepted: number[] = [];
    await until(
      "ten connections",
      () => accepted.push(...acceptAll(before)),
      (count) => count >= 10,
    );
    for (const socket of [before, ...accepted]) close(socket);
    const after = listenRaw("127.0.0.1", 7777);
    const accepting = setInterval(() => acceptAll(after), 20);
    const { stdout } = await client.exited().finally(() => clearInterval(accepting));
    const { diagnosis, evidence }: Run = resultOf(stdout);
    expect(evidence.peer?.listeners).toMatchObject([{ port: 7777, since: "replaced" }]);
    expect(diagnosis.finding, stdout).toMatchObject({ limit: "peer-ended", whose: "peer" });
    expect(diagnosis.finding?.meaning).toContain("restarted during the run");
  });

  it("where there was none is a server that started late", async () => {
    enterNamespace();
    const args = ["127.0.0.1:7777", "-c", "150", "--connect-rate", "100", "-T", "0s", "--json"];
    const client = startCli(["connect", ...args]);
    await until("refusals", attemptsFailed, (count) => count > 5);
    listenRaw("127.0.0.1", 7777);
    const { diagnosis }: Run = resultOf((await client.exited()).stdout);
    expect(diagnosis.finding?.meaning).toContain("the server started late");
  });
});
