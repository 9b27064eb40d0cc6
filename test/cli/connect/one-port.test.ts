// Tests more connections on one port than there are ports, counted by the kernel. Runs alone: its 140,000 sockets would
// delay tests that read the whole table and take the ports that other tests count by number.
import { describe, expect, it } from "vitest";
import { ownAddress } from "../../support/address.js";
import { establishedInSs, socketsInSs } from "../../support/kernel.js";
import { resultOf, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

const MANY = 70_000;

/** Returns whether the client's events show a hold with all connections open. */
function holdsAll(events: string): boolean {
  const whole = events.slice(0, events.lastIndexOf("\n")).split("\n");
  return whole.some((line) => {
    const { stage, open } = JSON.parse(line);
    return stage === "hold" && open === MANY;
  });
}

describe("one port", () => {
  it(`holds ${MANY} connections`, { timeout: 150_000 }, async () => {
    const ip = ownAddress();
    const server = startCli(["serve", `${ip}:0`, "--log", "none"]);
    const port = Number((await server.prints(/listening on [\d.]+:(\d+)/))[1]);
    const client = startCli(["connect", `${ip}:${port}`, "-c", String(MANY), "-T", "forever", "--json"]);
    await until(
      "all of them in ss",
      () => establishedInSs(port, ip),
      (count) => count === MANY,
      60_000,
    );
    // The kernel's table shows ESTABLISHED before the server's accept() and before the client is notified.
    await until("the server's count", () => server.stderr.includes("open 70,000 "), Boolean, 60_000);
    await until("the client's hold", () => holdsAll(client.stdout), Boolean, 60_000);
    client.child.kill("SIGINT");
    const { stdout, code } = await client.exited(20_000);
    const result = resultOf(stdout);
    expect(result).toMatchObject({ isTargetMet: true, established: MANY, failed: 0, lost: 0 });
    expect(result.kernel).toMatchObject({ outgoing: MANY, incoming: MANY });
    expect(code).toBe(0);
    // Closed with RST, so neither side keeps a TIME_WAIT.
    const left = () => socketsInSs(`sport = :${port} and src ${ip}`, "connected");
    await until("nothing left", left, (rows) => rows.length === 0, 20_000);
    server.child.kill("SIGTERM");
    expect((await server.exited(20_000)).stdout).toMatch(/peak open +70,000/);
  });
});
