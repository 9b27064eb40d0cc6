// Tests `ports --process` and `--memory --process`: which processes own the sockets, even without descriptors, and
// whose queues are full.
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { ENGINES } from "../../../src/results/identifiers.js";
import { ownAddress } from "../../support/address.js";
import { startForeignServer } from "../../support/peers.js";
import { runCli, startCli } from "../../support/process.js";
import { hasUring } from "../../support/ring.js";
import { until } from "../../support/until.js";

describe.each(ENGINES)("sockets in an io_uring at both ends, by the %s engine", (engine) => {
  it.skipIf(engine === "uring" && !hasUring)(
    "have owners: 1,500 under a limit of 300 descriptors",
    async ({ skip }) => {
      const server = startCli(["serve", `${ownAddress()}:0`, "--log", "none", "--engine", engine], { nofile: 300 });
      const [, at] = await server.prints(/listening on (\S+)/);
      const count = 1500;
      const client = startCli(["connect", at!, "-c", `${count}`, "-T", "60s", "--engine", engine], { nofile: 300 });
      const owners = await until(
        "all are open",
        async () => JSON.parse((await runCli(["ports", at!, "--process", "--json"])).stdout),
        ({ byState }) => byState.ESTABLISHED === 2 * count,
      );
      if (owners.owners.ringHolders.length > 0) skip("this kernel does not name files of an io_uring");
      expect(owners.owners).toMatchObject({ notVisible: 0 });
      expect(owners.owners.owners).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ pid: server.pid, listening: 1, established: count }),
          expect.objectContaining({ established: count, listening: 0 }),
        ]),
      );
      const rows = await runCli(["ports", at!, "--list", "-H", "-p"]);
      expect(rows.stdout).not.toContain("not visible");
      const { stdout } = await runCli(["ports", at!, "--pressure", "-p"]);
      expect(stdout).not.toContain("not visible");
      await client.kill();
    },
  );
});

describe("--memory --process", () => {
  it("ranks processes by the bytes in their queues", async () => {
    const quiet = await startForeignServer();
    const idle = startCli(["connect", quiet.at, "-c", "100", "-T", "60s"]);
    await until("100 are open", () => quiet.sockets.size === 100);
    // The server reads nothing, so the client's data stays in the queues of both ends.
    const server = await startForeignServer((socket) => setImmediate(() => socket.pause()));
    const socket = connect(server.port, server.ip);
    onTestFinished(() => {
      socket.destroy();
    });
    await once(socket, "connect");
    socket.write(Buffer.alloc(16 * 1024 * 1024));
    const read = async () =>
      JSON.parse((await runCli(["ports", "--memory", "--process", "--json"])).stdout).owners.owners;
    const owners = await until("bytes wait", read, (rows) => {
      const own = rows.find(({ pid }: { pid: number }) => pid === process.pid);
      return own?.memory.receiveAllocBytes > 10_000 && own.memory.sendQueuedBytes > 10_000;
    });
    const queued = owners.map(
      ({ memory }: { memory: Record<string, number> }) => memory.receiveAllocBytes! + memory.sendQueuedBytes!,
    );
    expect(queued).toEqual([...queued].sort((a, b) => b - a));
    const rank = (pid: number) => owners.findIndex((row: { pid: number }) => row.pid === pid);
    expect(rank(process.pid)).toBeLessThan(rank(idle.pid));
    const { stdout } = await runCli(["ports", server.at, "--memory", "--process"]);
    expect(stdout).toMatch(/process +to read +to send +buffers +sockets +LISTEN +ESTABLISHED +TIME_WAIT +queued\n/);
    expect(stdout).toMatch(new RegExp(`\\(${process.pid}\\) +\\d\\S* [KM]iB +\\d\\S* [KM]iB +\\d\\S* [KM]iB `));
    const sums = await runCli(["ports", "--process"]);
    expect(sums.stdout).not.toContain("to read");
  });

  it("explains that memory is unavailable without netlink", async () => {
    const { at } = await startForeignServer();
    const { stdout, stderr } = await runCli(["ports", at, "-m", "-p"], { refused: ["netlink"] });
    expect(stderr).toMatch(/netlink is unavailable/);
    expect(stdout).toContain(`(${process.pid})`);
    expect(stdout).not.toContain("to read");
  });
});
