// Tests the lab command under adverse conditions: foreign sockets, ports in use, low limits, missing privileges, a
// program that dies.

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { LabResult } from "../../src/results/lab/lab.js";
import { isBusy } from "../../src/util/host-load.js";
import { AS_USER, canMakeUserNamespaces, commandLine, listProcessesWith } from "../support/lab.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { CLI_FILE, runCli, start, startCli } from "../support/process.js";
import { until } from "../support/until.js";

const DEADLINE_MS = 50_000;
const MARK = "FOURTUPLE_TEST_TROUBLE";

/** Returns the prefix of the lab's addresses over loopback. */
const blockOf = (pid: number) => `127.${64 + (pid % 128)}`;
/**
 * Expects these verdicts. An experiment without a verdict passes if other programs' load kept it from finishing or from
 * observing in time.
 */
function expectVerdicts({ experiments }: LabResult, expected: Record<string, unknown>): void {
  expect(experiments.map(({ id }) => id)).toEqual(Object.keys(expected));
  for (const { id, verdict, reason, hostLoad } of experiments) {
    if (/^(not finished within|observed too late)/.test(reason ?? "") && isBusy(hostLoad)) continue;
    expect(reason ? `${verdict}: ${reason}` : verdict, id).toEqual(expected[id]);
  }
}

/** Starts another program's server, closed at the end of the test. */
async function listen(host: string, port: number): Promise<Server> {
  const server = createServer().listen(port, host);
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return server;
}

/** Opens another program's connection, closed at the end of the test. */
async function meet(host: string, port: number, localAddress: string): Promise<Socket> {
  const socket = connect({ host, port, localAddress });
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.on("error", () => undefined);
  return socket;
}

describe.skipIf(!canMakeNamespaces())("the lab over loopback", () => {
  it("does not count unrelated sockets on its ports and addresses", { timeout: 60_000 }, async () => {
    enterNamespace();
    await listen("127.0.0.1", 7777);
    const lab = startCli(["lab", "--loopback", "--quick", "--only", "E1,E2", "--json"]);
    // Pause the lab until they are open.
    lab.child.kill("SIGSTOP");
    const block = blockOf(lab.pid);
    for (let i = 0; i < 50; i++) await meet("127.0.0.1", 7777, `${block}.1.1`);
    lab.child.kill("SIGCONT");
    // Connects as soon as the first experiment's server listens.
    const join = () => meet(`${block}.0.1`, 7777, "127.0.0.1").catch(() => undefined);
    await until("the lab's server", join);
    for (let i = 0; i < 20; i++) await join();
    const { code, stdout, stderr } = await lab.exited(DEADLINE_MS);
    expect([code, stderr]).toEqual([0, ""]);
    expectVerdicts(JSON.parse(stdout), { E1: "confirmed", E2: "confirmed" });
  });

  it("says which of its ports is in use", async () => {
    enterNamespace();
    await listen("0.0.0.0", 7778);
    const { code, stdout, stderr } = await runCli(["lab", "--loopback", "--quick", "--only", "E1"]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      /^Fatal error: the lab needs port 7778 over loopback, but it is in use\n {2}fix: .*sport = :7778/,
    );
  });

  it("exits with 1 when a claim is refuted", { timeout: 60_000 }, async () => {
    enterNamespace();
    const lab = startCli(["lab", "--loopback", "--quick", "--only", "E3", "--json"]);
    // Another program takes a tenth of the source ports before the lab uses any, so the prediction is wrong.
    lab.child.kill("SIGSTOP");
    for (let port = 20_000; port < 20_200; port++) await listen(`${blockOf(lab.pid)}.1.1`, port);
    lab.child.kill("SIGCONT");
    const { code, stdout } = await lab.exited(DEADLINE_MS);
    const result: LabResult = JSON.parse(stdout);
    expectVerdicts(result, { E3: expect.stringMatching(/^refuted: /) });
    expect(code).toBe(result.experiments[0]!.verdict === "refuted" ? 1 : 0);
  });

  it("exits with 1 when an experiment fails, and runs the others", { timeout: 60_000 }, async () => {
    enterNamespace();
    const mark = `${process.pid}`;
    const lab = startCli(["lab", "--loopback", "--quick", "--only", "e1,e4"], { env: { [MARK]: mark } });
    const servers = () => listProcessesWith(MARK, mark).filter((pid) => /main\.js serve/.test(commandLine(pid)));
    const [server] = await until("its server", servers, ({ length }) => length > 0);
    process.kill(Number(server), "SIGKILL");
    const { code, stdout } = await lab.exited(DEADLINE_MS);
    expect(stdout).toMatch(/^ {2}verdict +failed: fourtuple (serve|connect) .*stopped early/m);
    expect(stdout).toMatch(/^1 confirmed, 1 failed, in /m);
    expect(code).toBe(1);
  });

  it("as an unprivileged user with few open files says what had to be skipped", { timeout: 60_000 }, async () => {
    enterNamespace();
    // Otherwise, a late ACK may end a TIME_WAIT early, which the lab can only report.
    writeFileSync("/proc/sys/net/ipv4/tcp_rfc1337", "1");
    const line = [...AS_USER, process.execPath, CLI_FILE, "lab", "--quick", "--only", "E1,E2,E3,E4,E7", "--json"];
    const lab = start(line[0]!, line.slice(1), { nofile: 1024, refused: ["unshare", "io_uring_setup"] });
    const { code, stdout, stderr } = await lab.exited(DEADLINE_MS);
    const result: LabResult = JSON.parse(stdout);
    const noRoom = expect.stringMatching(/^skipped: the descriptor table is full: RLIMIT_NOFILE is 1,024; fix: /);
    expect(result.testbed).toMatchObject({
      kind: "loopback",
      reason: expect.stringMatching(/^network namespaces cannot be created here: .*Operation not permitted/),
    });
    expectVerdicts(result, {
      E1: "confirmed",
      E2: noRoom,
      E3: noRoom,
      E4: expect.stringMatching(/^confirmed: only descriptors were tested/),
      E7: expect.stringMatching(/^confirmed: cases with a vanished peer were left out/),
    });
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe.skipIf(!canMakeUserNamespaces())("the lab as an unprivileged user", () => {
  it("has two hosts, with their links and settings", { timeout: 60_000 }, async () => {
    const line = [...AS_USER, process.execPath, CLI_FILE, "lab", "--quick", "--only", "E1,E7", "--json"];
    const { code, stdout, stderr } = await start(line[0]!, line.slice(1)).exited(DEADLINE_MS);
    const result: LabResult = JSON.parse(stdout);
    expect(result.testbed.kind).toBe("namespaces");
    expectVerdicts(result, { E1: "confirmed", E7: "confirmed" });
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe("--only", () => {
  it.each(["e11", ""])("records the command as typed: %j", async (typed) => {
    const { code, stderr } = await runCli(["lab", "--only", typed]);
    expect(code).toBe(2);
    expect(stderr).toMatch(`unknown experiment: "${typed}"`);
  });
});
