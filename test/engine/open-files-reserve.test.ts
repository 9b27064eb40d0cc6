// Tests that a run on a host that is almost out of open files stops and leaves a reserve for other programs, even if it
// runs as root.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { fileMaxFor, fileReserve, isBelowReserve } from "../../src/engine/open-files-reserve.js";
import type { ConnectResult, Diagnosis, ServeResult } from "../../src/index.js";
import { endpointsQuery } from "../../src/socket-table/endpoints.js";
import { readListeners } from "../../src/socket-table/listeners/listeners.js";
import { parseIp } from "../../src/util/address.js";
import { endpoint, ownAddress } from "../support/address.js";
import { canMakeNamespaces } from "../support/namespace.js";
import { startClient, startServer } from "../support/peers.js";
import { CLI_FILE, resultOf, start } from "../support/process.js";
import { connectRaw } from "../support/raw-sockets.js";
import { until } from "../support/until.js";

describe("the reserve of open files", () => {
  it.each([
    // A quarter of the maximum, 1,024, and 5% of the maximum.
    [1000, 250],
    [10_000, 1024],
    [1_000_000, 50_000],
  ])("of %d is %d", (max, reserve) => {
    expect(fileReserve(max)).toBe(reserve);
    expect(isBelowReserve({ open: max - reserve, max, reserve })).toBe(false);
    expect(isBelowReserve({ open: max - reserve + 1, max, reserve })).toBe(true);
  });

  it.each([100, 5000, 100_000, 3_000_000])(
    "stays free under the fs.file-max that %d files need, and no more",
    (files) => {
      const max = fileMaxFor(files);
      expect(max - fileReserve(max)).toBeGreaterThanOrEqual(files);
      expect(max - 2 - fileReserve(max - 2)).toBeLessThan(files);
    },
  );
});

/** Starts the command line with `fileNr` mounted over /proc/sys/fs/file-nr. */
function startWith(fileNr: string, args: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "file-nr");
  writeFileSync(file, fileNr);
  const line = `mount --bind ${file} /proc/sys/fs/file-nr && exec "$0" "$@"`;
  return start("unshare", ["-m", "sh", "-c", line, process.execPath, CLI_FILE, ...args]);
}

describe.skipIf(!canMakeNamespaces())("on a host that is almost out of open files", () => {
  const NEARLY_OUT = "19500\t0\t20000\n";

  it("connect stops, misses its target and names fs.file-max", async () => {
    const { address } = await startServer();
    const load = ["-c", "10k", "--connect-rate", "5k", "-T", "0s", "--json"];
    const { stdout, code } = await startWith(NEARLY_OUT, ["connect", endpoint(address), ...load]).exited();
    const result: ConnectResult & { diagnosis: Diagnosis } = resultOf(stdout);
    expect(code).toBe(1);
    expect(result).toMatchObject({ outcome: "missed", failed: 0, diagnosis: { finding: { limit: "file-max" } } });
    expect(result.evidence.fileStop).toEqual({ open: 19_500, max: 20_000, reserve: 1024 });
    expect(result.established).toBeLessThan(10_000);
  });

  it("connect continues if enough are left", async () => {
    const { address } = await startServer();
    const load = ["-c", "500", "--connect-rate", "2k", "-T", "0s", "--json"];
    const { stdout, code } = await startWith("500\t0\t20000\n", ["connect", endpoint(address), ...load]).exited();
    expect([code, resultOf(stdout).evidence.fileStop]).toEqual([0, undefined]);
  });

  it("serve pauses, leaves new connections in the accept queue, and names the limit", async () => {
    const host = ownAddress();
    const server = startWith(NEARLY_OUT, ["serve", `${host}:0`, "--log", "none", "--json"]);
    const [, text] = await server.prints(/"port":(\d+)/);
    const port = Number(text);
    await startClient({ to: `${host}:${port}`, connections: 20 });
    // The server checks the number of open files shortly after it has accepted.
    const waiting = async () => {
      connectRaw(host, port);
      const local = endpointsQuery([{ ip: parseIp(host), port }]);
      return (await readListeners({ local }))[0]?.acceptQueue.used ?? 0;
    };
    // More than the backlog of a server that is just busy.
    await until("connections wait unaccepted", waiting, (used) => used > 100);
    server.child.kill("SIGINT");
    const { stdout } = await server.exited();
    const result: ServeResult & { diagnosis: Diagnosis } = resultOf(stdout);
    expect(result.diagnosis.finding).toMatchObject({ limit: "file-max" });
  });
});
