// Tests `connect --transport packet` against servers on the kernel's TCP, in a network namespace.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { listDescriptors } from "../../../src/linux/proc/procfs.js";
import { EEXIST } from "../../../src/linux/syscalls/errno.js";
import { openEventfd } from "../../../src/linux/syscalls/eventfd.js";
import { libc, NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import { closeFd } from "../../../src/linux/syscalls/socket.js";
import { blocksOf, formatBlock } from "../../../src/planning/packet/plan.js";
import { openDevice } from "../../../src/transport/packet/devices/open-device.js";
import { parseIp } from "../../../src/util/address.js";
import { parseAddressRanges } from "../../../src/util/address-range.js";
import { canMakeNamespaces, makeNamespace } from "../../support/namespace.js";
import { connect, devices, FREE, inNamespace, OWN, OWN_V6, serve } from "../../support/packet-runs.js";
import { CLI_FILE, resultOf, runCli, start, startCli } from "../../support/process.js";

it("routes no neighbours of a small range, and a whole block by one route", () => {
  const routes = (text: string) => parseAddressRanges(text).flatMap(blocksOf).map(formatBlock);
  expect(routes("10.64.0.5-10.64.0.6")).toEqual(["10.64.0.5/32", "10.64.0.6/32"]);
  expect(routes("10.64.0.0/30")).toEqual(["10.64.0.1/32", "10.64.0.2/32"]);
  expect(routes("10.64.0.0/24")).toEqual(["10.64.0.0/24"]);
});

/** Cancels all requests of an io_uring. @returns their number */
function cancelAll(ring: number): number {
  const [registerCall, syncCancel, allOfAny] = [427, 24, 1 | 4];
  // struct io_uring_sync_cancel_reg: user data, descriptor, flags, and a timeout of which -1 means none.
  const argument = new NativeBuffer(64);
  argument.bytes.writeUInt32LE(allOfAny, 12);
  argument.bytes.fill(0xff, 16, 32);
  return libc.syscall(registerCall, ring, syncCancel, argument.address, 1, 0, 0);
}

describe.skipIf(!canMakeNamespaces())("connect --transport packet", () => {
  it("opens, holds and closes connections that only the server's kernel has", async () => {
    inNamespace();
    const { server, at } = await serve();
    const { code, result } = await connect([at, ...FREE, "-c", "2500", "-T", "0"]);
    expect(result).toMatchObject({ outcome: "met", established: 2500, failed: 0, lost: 0, transport: "packet" });
    expect(result.kernel).toMatchObject({ incoming: 2500 });
    // Packets that the kernel sends to a device before it runs do not count.
    expect(result.packets).toMatchObject({ deviceDrops: 0 });
    expect(result.kernel).not.toHaveProperty("outgoing");
    expect([code, devices()]).toEqual([0, []]);
    const ended = server.exited();
    server.child.kill("SIGTERM");
    expect(resultOf((await ended).stdout)).toMatchObject({ accepted: 2500, peakOpen: 2500 });
  });

  it.each(["auto", "epoll"])("exchanges messages, over IPv6 too (--engine %s)", async (engine) => {
    inNamespace();
    const isV6 = engine === "auto";
    const { at } = await serve(["--mode", "echo"], isV6 ? `[${OWN_V6}]:0` : undefined);
    const source = isV6 ? ["--transport", "packet", "--source-ip", "fd00:64::1-fd00:64::ff"] : FREE;
    const { result } = await connect([at, ...source, "-c", "50", "-m", "hello", "-n", "2000", "--engine", engine]);
    expect(result).toMatchObject({ outcome: "met", established: 50, lost: 0 });
    expect(result.messages).toMatchObject({ sent: 2000, answered: 2000, unanswered: 0 });
    expect(result.engine.name).toBe(engine === "epoll" ? "epoll" : result.engine.name);
  });

  it("reports refusals, and what routers say, by errno", async () => {
    inNamespace();
    const { result } = await connect([`${OWN}:9`, ...FREE, "-c", "3", "-T", "0"]);
    expect(result.failures).toMatchObject([{ phase: "connect", errno: "ECONNREFUSED", count: 3 }]);
    spawnSync("ip", ["link", "add", "fourtuple-r", "type", "dummy"]);
    spawnSync("ip", ["addr", "add", "10.98.0.1/24", "dev", "fourtuple-r"]);
    spawnSync("ip", ["link", "set", "fourtuple-r", "up"]);
    spawnSync("ip", ["route", "add", "10.97.0.0/16", "via", "10.98.0.2", "dev", "fourtuple-r"]);
    // Here a route exists, but not for packets that come from a device.
    spawnSync("ip", ["route", "add", "unreachable", "10.97.0.1/32", "table", "99"]);
    spawnSync("ip", ["rule", "add", "from", "10.64.0.0/16", "table", "99"]);
    const unreached = await connect(["10.97.0.1:80", ...FREE, "-c", "3", "-T", "0"]);
    expect(unreached.result.failures).toMatchObject([{ phase: "connect", errno: "EHOSTUNREACH", count: 3 }]);
    expect(unreached.result.packets).toMatchObject({
      icmp: [{ kind: "host", count: 3 }],
      malformed: 0,
      badChecksums: 0,
    });
  });

  it("goes up and down in stages, with slots and 4-tuples used again", async () => {
    inNamespace();
    const { at } = await serve();
    const { result } = await connect([at, ...FREE, "-c", "400", "--close-after-greeting", "--concurrency", "20"]);
    expect(result).toMatchObject({ outcome: "met", established: 400, failed: 0, greeted: 400 });
    const stages = ["--stage", "300ms:200", "--stage", "300ms:20", "-T", "0", "--close", "fin"];
    const staged = await connect([at, ...FREE, ...stages]);
    expect(staged.result).toMatchObject({ outcome: "met", failed: 0, lost: 0 });
  });

  it.each([
    ["TLS and WebSocket", ["--scheme", "wss"]],
    ["HTTP", ["--scheme", "http"]],
    ["MQTT", ["--scheme", "mqtt"]],
  ])("carries %s", async (_, [, scheme]) => {
    inNamespace();
    const { at } = await serve(scheme === "wss" ? ["--mode", "echo"] : [], `${scheme}://${OWN}:0`);
    const message = scheme === "http" ? [] : ["-m", "x"];
    const own = { wss: ["--insecure"], mqtt: ["--publish", "t/%i", "--qos", "1"] }[scheme!] ?? [];
    const { result } = await connect([`${scheme}://${at}`, ...FREE, "-c", "30", ...message, ...own, "-n", "300"]);
    expect(result).toMatchObject({ outcome: "met", established: 30, ready: 30, lost: 0 });
    expect(result.messages).toMatchObject({ sent: 300, answered: 300 });
  });

  it("refuses addresses that somebody has, and processes without permission", async () => {
    inNamespace();
    const refuse = async (source: string, to = `${OWN}:80`) =>
      (await runCli(["connect", to, "--transport", "packet", "--source-ip", source, "-c", "2"])).stderr;
    expect(await refuse("10.99.0.0/24")).toMatch(
      /10\.99\.0\.0\/24 is not free: 10\.99\.0\.1\/32 is an address of this host/,
    );
    spawnSync("ip", ["route", "add", "10.70.0.0/16", "dev", "lo"]);
    expect(await refuse("10.70.3.0/24")).toMatch(/is not free: this host has a route to 10\.70\.0\.0\/16/);
    // Default routes without a gateway of their own hide no others.
    spawnSync("ip", ["link", "add", "fourtuple-r", "type", "veth"]);
    spawnSync("ip", ["addr", "add", "10.98.0.1/24", "dev", "fourtuple-r"]);
    spawnSync("ip", ["link", "set", "fourtuple-r", "up"]);
    const hops = ["10.98.0.2", "10.98.0.3"].flatMap((via) => ["nexthop", "via", via]);
    for (const route of [["dev", "fourtuple-r", "scope", "link"], hops]) {
      expect(spawnSync("ip", ["route", "replace", "default", ...route]).status).toBe(0);
      expect(await refuse("10.70.3.0/24")).toMatch(/is not free: this host has a route to 10\.70\.0\.0\/16/);
    }
    expect(await refuse("10.64.0.0/16", "10.64.9.9:80")).toMatch(
      /is not free: it contains the destination 10\.64\.9\.9/,
    );
    expect(await refuse("10.64.0.0/16", "127.0.0.1:80")).toMatch(/cannot use loopback addresses/);
    const args = [process.execPath, "dist/cli/main.js", "connect", `${OWN}:80`, ...FREE];
    const { code, stderr } = await start("unshare", ["--user", ...args]).exited();
    expect(stderr).toMatch(/needs a TUN device, and opening \/dev\/net\/tun failed with E(ACCES|PERM)\n +fix: /);
    expect(code).toBe(3);
  });

  it("runs for any user in a user and network namespace of its own", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-tun-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    chmodSync(folder, 0o755);
    // Most distributions let every user open the device's file.
    const publish = `mknod "$0/tun" c 10 200 && chmod 666 "$0/tun" && mount --bind "$0/tun" /dev/net/tun`;
    const asNobody = "exec setpriv --reuid=65534 --regid=65534 --clear-groups";
    const both = `ip link set lo up; ip addr add ${OWN}/32 dev lo
      "$0" ${CLI_FILE} serve ${OWN}:7777 --json >/dev/null & server=$!
      until (echo >/dev/tcp/${OWN}/7777) 2>/dev/null; do sleep 0.02; done
      "$0" ${CLI_FILE} connect ${OWN}:7777 ${FREE.join(" ")} -c 300 -T 0 --json; kill $server`;
    const run = (command: readonly string[]) =>
      start("unshare", ["--mount", "bash", "-c", `${publish} && ${asNobody} "$@"`, folder, ...command]).exited();
    const client = [process.execPath, CLI_FILE, "connect", `${OWN}:7777`, ...FREE];
    const refused = await run(client);
    expect(refused.stderr).toMatch(/failed with EPERM\n +fix: .*unshare --user --map-root-user --net/s);
    expect(refused.code).toBe(3);
    rmSync(join(folder, "tun"));
    const { stdout, stderr } = await run([
      "unshare",
      "--user",
      "--map-root-user",
      "--net",
      "bash",
      "-c",
      both,
      process.execPath,
    ]);
    expect(stderr).toBe("");
    expect(resultOf(stdout)).toMatchObject({ outcome: "met", established: 300, lost: 0, kernel: { incoming: 300 } });
  });

  const IDLE: readonly string[] = [];
  // The routes do not come back.
  const DOWN_AND_UP = "link set DEVICE down; ip link set DEVICE up";
  const WITH_MESSAGES = ["-m", "hi", "-r", "5"];
  it.each([
    ["auto", "del", "link del DEVICE", WITH_MESSAGES],
    ["epoll", "del", "link del DEVICE", WITH_MESSAGES],
    ["auto", "down", "link set DEVICE down", WITH_MESSAGES],
    ["epoll", "down", "link set DEVICE down", WITH_MESSAGES],
    ["auto", "del, idle", "link del DEVICE", IDLE],
    ["epoll", "del, idle", "link del DEVICE", IDLE],
    ["auto", "down, idle", "link set DEVICE down", IDLE],
    ["epoll", "down, idle", "link set DEVICE down", IDLE],
    ["auto", "down and up, idle", DOWN_AND_UP, IDLE],
    ["epoll", "down and up, idle", DOWN_AND_UP, IDLE],
    ["auto", "route del, idle", "route del 10.64.0.0/16", IDLE],
    ["auto", "netns, idle", "link set DEVICE netns OTHER", IDLE],
  ])("loses all connections with its device (--engine %s, ip link %s)", async (engine, _, command, messages) => {
    inNamespace();
    const { at } = await serve();
    const options = ["-c", "20", "-T", "60s", ...messages, "--engine", engine, "--json"];
    const client = startCli(["connect", at, ...FREE, ...options]);
    await client.prints(/"stage":"hold"/);
    const line = command.replaceAll("DEVICE", devices()[0]!).replace("OTHER", makeNamespace());
    spawnSync("sh", ["-c", `ip ${line}`]);
    expect(resultOf((await client.exited()).stdout)).toMatchObject({
      established: 20,
      lost: 20,
      losses: [{ errno: "ENETDOWN", count: 20 }],
    });
  });

  it.each(["epoll", "uring"])("shares no addresses with a run that starts at the same time (%s)", (engine) => {
    inNamespace();
    const wakeFd = openEventfd();
    onTestFinished(() => void closeFd(wakeFd));
    const open = (ip: string, bits: number) => {
      const plan = { routes: [{ first: parseIp(ip), bits }], mtu: 1500, txQueueLength: 100 };
      const device = openDevice(plan, engine === "uring", wakeFd);
      if (typeof device !== "number") onTestFinished(() => device.close());
      return typeof device === "number" ? device : "opened";
    };
    // Both have found the addresses free.
    expect(open("10.64.0.0", 16)).toBe("opened");
    expect(open("10.64.0.0", 16)).toBe(-EEXIST);
    expect(open("10.64.128.0", 17)).toBe(-EEXIST);
    expect(open("10.64.0.0", 10)).toBe(-EEXIST);
    expect(open("10.65.0.0", 16)).toBe("opened");
  });

  it("goes on reading after the kernel has cancelled a read, as it does if memory is short", async () => {
    inNamespace();
    const wakeFd = openEventfd();
    const plan = { routes: [{ first: parseIp("10.64.0.0"), bits: 16 }], mtu: 1500, txQueueLength: 100 };
    const device = openDevice(plan, true, wakeFd);
    onTestFinished(() => void closeFd(wakeFd));
    if (typeof device === "number") throw new Error(`no device: ${device}`);
    onTestFinished(() => device.close());
    const { fd } = listDescriptors().findLast(({ target }) => target === "anon_inode:[io_uring]")!;
    // The kernel submits the requests in this call. One is to read, one for the wake-up.
    device.wait(0, 1);
    expect(cancelAll(fd)).toBe(2);
    let packets = 0;
    // The kernel also sends packets by itself.
    const sink = { packet: (_: NativeBuffer, __: number, length: number) => (packets += length === 333 ? 1 : 0) };
    device.wait(0, 1);
    device.receive(sink, 10);
    expect(device.isGone).toBe(false);
    device.wait(0, 1);
    spawnSync("bash", ["-c", "printf %0305d 0 >/dev/udp/10.64.0.1/9"]);
    for (let n = 0; n < 10 && packets === 0; n++) {
      device.wait(200, 1);
      device.receive(sink, 10);
    }
    expect(packets).toBe(1);
  });

  it("leaves no device behind when it is killed", async () => {
    inNamespace();
    const { at } = await serve();
    const client = startCli(["connect", at, ...FREE, "-c", "20", "-T", "60s", "--json"]);
    await client.prints(/"stage":"hold"/);
    expect(devices().length).toBe(1);
    await client.kill("SIGKILL");
    for (let n = 0; n < 100 && devices().length > 0; n++) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(devices()).toEqual([]);
  });
});
