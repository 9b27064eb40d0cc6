// Tests the lab's two hosts: programs in them can reach each other, and each host has its own tables and settings.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onSnapshot } from "../../../src/client/event-stream.js";
import { openTestbed, type Testbed } from "../../../src/lab/testbed/testbed.js";
import { readSysctl } from "../../../src/linux/proc/sysctl.js";
import { AS_USER, canMakeUserNamespaces, openedBy, startLab } from "../../support/lab.js";
import { canMakeNamespaces } from "../../support/namespace.js";
import { hasProgram, resultOf } from "../../support/process.js";
import { until } from "../../support/until.js";

const PORTS = "net.ipv4.ip_local_port_range";

describe.skipIf(!canMakeNamespaces())("two namespaces", () => {
  let testbed: Testbed;
  beforeAll(async () => {
    testbed = await openTestbed({ clientAddresses: 300 });
  });
  afterAll(() => testbed.close());

  it("are described as such", () => {
    const { description, server, client } = testbed;
    expect(description).toEqual({
      kind: "namespaces",
      reason: undefined,
      serverIp: "10.77.0.1",
      clientIps: "10.77.1.1-10.77.2.44",
    });
    expect(server.ips).toEqual(["10.77.0.1"]);
    expect([client.ips.length, client.ips[0], client.ips[299]]).toEqual([300, "10.77.1.1", "10.77.2.44"]);
  });

  it.skipIf(!hasProgram("ss"))("hold connections, with each side's sockets in its own table", async () => {
    const serving = testbed.server.run(["serve", "10.77.0.1:0", "--log", "none", "--json"]);
    const [, port] = await serving.prints(/"port":(\d+)/);
    const to = `10.77.0.1:${port}`;
    // Four ports on each of 250 addresses.
    const sources = ["--source-ip", "10.77.1.51-10.77.2.44", "--source-port", "2001-2004"];
    const connecting = testbed.client.run(["connect", to, ...sources, "-c", "1000", "-T", "10m", "--json"]);
    await new Promise<void>((resolve) => {
      onSnapshot(connecting, ({ stage }) => stage === "hold" && resolve());
    });
    const rowsOf = async (host: "server" | "client") =>
      (await testbed[host].exec("ss", ["-Htn", "state", "established"])).trim().split("\n");
    const endpoints = (row: string) => row.trim().split(/\s+/).slice(2) as [string, string];
    // The server receives the last packet of a handshake after the client is already ESTABLISHED.
    const accepted = await until(
      "the server's ends",
      async () => (await rowsOf("server")).map(endpoints),
      ({ length }) => length === 1000,
    );
    const opened = (await rowsOf("client")).map(endpoints);
    expect(accepted.every(([local]) => local === to)).toBe(true);
    expect(accepted.map(([local, peer]) => `${peer} ${local}`).sort()).toEqual(
      opened.map((row) => row.join(" ")).sort(),
    );
    expect(new Set(opened.map(([local]) => local.split(":")[0])).size).toBe(250);
    connecting.kill();
    expect(resultOf((await connecting.result).stdout)).toMatchObject({ established: 1000, failed: 0, lost: 0 });
    serving.kill("SIGINT");
    expect((await serving.result).code).toBe(0);
  });

  it("have their own settings", async () => {
    const before = [await testbed.server.readSysctl(PORTS), readSysctl(PORTS)];
    await testbed.client.setSysctl(PORTS, "40000 40999");
    expect(await testbed.client.readSysctl(PORTS)).toBe("40000\t40999");
    expect([await testbed.server.readSysctl(PORTS), readSysctl(PORTS)]).toEqual(before);
    expect(await testbed.client.readSysctl("net.no.such")).toBeUndefined();
    await expect(testbed.client.setSysctl(PORTS, "70000 1")).rejects.toMatchObject({ code: "E_SYSTEM" });
  });

  it("do not touch machine-wide settings", async () => {
    await expect(testbed.client.setSysctl("fs.nr_open", readSysctl("fs.nr_open")!)).rejects.toMatchObject({
      code: "E_PERMISSION",
      message: "fs.nr_open cannot be changed for the lab's client alone",
    });
  });

  it("have a box between them for as long as it is needed", async () => {
    const links = () => Promise.all([testbed.client, testbed.server].map((host) => host.exec("ip", ["-o", "link"])));
    const before = await links();
    const box = await testbed.addBox!(new AbortController().signal);
    expect(await links()).toEqual([expect.stringMatching(/ to-box@/), expect.stringMatching(/ to-box@/)]);
    for (const ip of box.host.peerIps) expect(await box.host.exec("ip", ["route", "get", ip])).toContain(" dev to-");
    await box[Symbol.asyncDispose]();
    await until("the end of the box", links, (now) => now.join() === before.join());
    await expect(testbed.addBox!(AbortSignal.abort())).rejects.toThrow("the lab's box is closed");
    expect(await links()).toEqual(before);
  });

  it("run programs under another open-file limit", async () => {
    const { stdout } = await testbed.client.run(["doctor", "-c", "1k", "--json"], { nofileLimit: 1024 }).result;
    expect(JSON.parse(stdout).limits).toContainEqual(expect.objectContaining({ id: "nofile", now: 1024 }));
  });

  it("report what is wrong with a program", async () => {
    await expect(testbed.server.run(["serve", "10.77.1.1:0"]).prints(/listening/)).rejects.toMatchObject({
      message: expect.stringMatching(/^fourtuple serve 10.77.1.1:0 stopped early: Fatal error: /),
    });
    await expect(testbed.server.exec("no-such-program", [])).rejects.toThrow("no-such-program is not installed");
    await expect(testbed.server.exec("sh", ["-c", "echo wrong >&2; false"])).rejects.toThrow("wrong");
  });
});

describe("closing", () => {
  it("ends running programs, and prevents new ones from starting", async () => {
    const testbed = await openTestbed();
    const serving = testbed.server.run(["serve", `${testbed.description.serverIp}:0`]);
    await serving.prints(/listening/);
    await Promise.all([testbed.close(), testbed.close()]);
    expect(serving.hasEnded).toBe(true);
    expect(() => testbed.server.run(["--version"])).toThrow(/closed/);
    await expect(testbed.client.exec("true", [])).rejects.toThrow(/closed/);
  });
});

describe.skipIf(!canMakeUserNamespaces())("an unprivileged user", { timeout: 60_000 }, () => {
  it("also gets the two hosts", async () => {
    const lab = startLab({ prefix: AS_USER });
    const { description } = await openedBy(lab);
    expect(description).toMatchObject({ kind: "namespaces", serverIp: "10.77.0.1" });
    lab.child.kill("SIGINT");
    expect(await lab.exited()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^closed$/m), stderr: "" });
  });
});

describe("an invalid number of addresses", () => {
  it.each([0, 501, 1.5, Number.NaN])("is rejected: %d", async (clientAddresses) => {
    await expect(openTestbed({ clientAddresses })).rejects.toMatchObject({ code: "E_OPTION" });
  });
});
