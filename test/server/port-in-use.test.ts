// Tests the error for a port on which the server cannot listen: it names the owner, even if `ss -ltn` shows nothing.
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SocketAddress } from "../../src/linux/syscalls/sockaddr.js";
import { bindTo, closeFd, localAddress, openTcp } from "../../src/linux/syscalls/socket.js";
import { findPortHolders } from "../../src/socket-table/listeners/port-holders.js";
import { parseIp } from "../../src/util/address.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { runCli, startCli } from "../support/process.js";
import { acceptAll, close, connectRaw, listenRaw } from "../support/raw-sockets.js";
import { until } from "../support/until.js";

/** Returns the error message of a `serve` that fails. */
async function serve(at: string): Promise<string> {
  const { code, stderr, stdout } = await runCli(["serve", at]);
  expect([code, stdout]).toEqual([1, ""]);
  return stderr;
}

/** Returns a socket that is bound but not listening. */
function bound(ip: string, port: number, options: { close: (fd: number) => void }) {
  const fd = openTcp(4);
  expect(bindTo(fd, new SocketAddress(parseIp(ip), port))).toBe(0);
  options.close(fd);
  return fd;
}

const own = `\\(process ${process.pid}\\)`;

describe.skipIf(!canMakeNamespaces())("a port in use", () => {
  it("by a listener is attributed to its process, whatever address it listens on", async () => {
    enterNamespace();
    const server = startCli(["serve", "0.0.0.0:7777", "--log", "none"]);
    await server.prints(/listening/);
    const pattern = new RegExp(
      `cannot listen on 127.0.0.1:7777: the port is in use: \\S+ \\(process ${server.pid}\\) listens on 0.0.0.0:7777`,
    );
    expect(await serve("127.0.0.1:7777")).toMatch(pattern);
    expect(await serve("[::]:7777")).toMatch(/listens on 0\.0\.0\.0:7777, and \[::\] also accepts IPv4/);
  });

  it("is attributed to its user if the search for its process takes too long", async () => {
    enterNamespace();
    listenRaw("127.0.0.1", 7777);
    const [holder] = await findPortHolders(parseIp("0.0.0.0"), 7777, AbortSignal.abort());
    const uid = process.getuid!();
    expect(holder).toMatchObject({ kind: "listening", ip: "127.0.0.1", owner: undefined, uid, wasCutShort: true });
    expect(await findPortHolders(parseIp("0.0.0.0"), 7777)).toMatchObject([
      { owner: { pid: process.pid }, wasCutShort: false },
    ]);
  });

  it("by an IPv6-only listener does not prevent listening on IPv4", async () => {
    enterNamespace();
    listenRaw("::", 7777, { isV6Only: true });
    await startCli(["serve", "127.0.0.1:7777", "--log", "none"]).prints(/listening on 127/);
    listenRaw("::1", 7778);
    expect(await serve("[::]:7778")).toMatch(new RegExp(`${own} listens on \\[::1\\]:7778`));
  });

  it("by a socket that is bound but not listening is explained, although ss shows nothing", async () => {
    enterNamespace();
    const fds: number[] = [];
    bound("127.0.0.1", 7777, { close: (fd) => fds.push(fd) });
    const said = await serve("0.0.0.0:7777");
    for (const fd of fds) closeFd(fd);
    expect(said).toMatch(new RegExp(`${own} has bound 127.0.0.1:7777 without listening`));
    expect(said).toContain(`end process ${process.pid}`);
  });

  it("by an outgoing connection is attributed to that connection, with both ends", async () => {
    enterNamespace();
    const listener = listenRaw("127.0.0.1", 7000);
    const { port } = localAddress(connectRaw("127.0.0.1", 7000));
    expect(await serve(`127.0.0.1:${port}`)).toMatch(
      new RegExp(
        `the local port of a connection held by \\S+ ${own}: 127.0.0.1:${port} → 127.0.0.1:7000\n(.*\n)*.*ip_local_reserved_ports=${port}`,
      ),
    );
    acceptAll(listener);
  });

  it("by a TIME_WAIT is reported with the time left", async () => {
    enterNamespace();
    const listener = listenRaw("127.0.0.1", 7000);
    const client = connectRaw("127.0.0.1", 7000);
    const { port } = localAddress(client);
    const accepted = await until(
      "a connection",
      () => acceptAll(listener),
      ({ length }) => length === 1,
    );
    close(client);
    close(accepted[0]!);
    expect(await serve(`127.0.0.1:${port}`)).toMatch(
      /1 connection in TIME_WAIT whose program .*, for 5\d(\.\d+)? s more/,
    );
  });

  it("is reported for port 0 if the ephemeral range is full", async () => {
    enterNamespace();
    writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", "40000 40009");
    for (let port = 40_000; port <= 40_009; port++) listenRaw("127.0.0.1", port);
    const said = await serve("127.0.0.1:0");
    expect(said).toContain("no free ephemeral port: all 10 of 40000-40009 are in use at 127.0.0.1");
    expect(said).toContain("ip_local_port_range");
    await startCli(["serve", "127.0.0.2:0", "--log", "none"]).prints(/listening on 127\.0\.0\.2:400/);
  });
});
