// Tests `connect --transport packet` with a server on the kernel's TCP in another namespace, and 5 % of all packets lost
// on the way. Lost handshakes take seconds, so this test runs on request only; lossy.test.ts simulates the time.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { canMakeNamespaces } from "../../support/namespace.js";
import { FAR, FREE, lossyPath } from "../../support/packet-runs.js";
import { CLI_FILE, hasProgram, resultOf, start, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

const CONNECTIONS = Number(process.env.FOURTUPLE_LOSSY_CONNECTIONS ?? 0);
const DEADLINE_MS = 60_000 + CONNECTIONS * 10;
/** Whether the test was requested. If not, prints how to run it. */
function isRequested(): boolean {
  if (CONNECTIONS === 0) console.info("skipped: set FOURTUPLE_LOSSY_CONNECTIONS=100000 to run this test");
  return CONNECTIONS > 0;
}

describe.skipIf(!isRequested() || !canMakeNamespaces() || !hasProgram("nft"))(
  "over a path that loses 5 % of the packets",
  () => {
    it(
      `opens ${CONNECTIONS} connections, brings every byte back, and closes them`,
      async () => {
        const far = lossyPath("numgen random mod 100 < 5");
        const inFar = ["netns", "exec", far];
        const serving = [
          process.execPath,
          CLI_FILE,
          "serve",
          `${FAR}:7777`,
          "--mode",
          "echo",
          "--log",
          "none",
          "--json",
        ];
        const server = start("ip", [...inFar, ...serving]);
        await server.prints(/"listening"/);
        const established = () => {
          const { stdout } = spawnSync("ip", [...inFar, "ss", "-Htn", "state", "established", "sport = :7777"], {
            encoding: "utf8",
            maxBuffer: 2 ** 30,
          });
          return stdout.split("\n").filter(Boolean).length;
        };

        // Each message is several segments long.
        const messages = ["-m", "x".repeat(4000), "-n", `${CONNECTIONS * 2}`];
        const patient = ["--connect-timeout", "2m", "--authorized", "--json"];
        const args = ["connect", `${FAR}:7777`, ...FREE, "-c", `${CONNECTIONS}`, ...messages, ...patient];
        const { stdout, stderr } = await startCli(args).exited(DEADLINE_MS);
        expect(stderr).toBe("");
        const result = resultOf(stdout);
        expect(result).toMatchObject({ outcome: "met", established: CONNECTIONS, failed: 0, lost: 0 });
        expect(result.messages).toMatchObject({ answered: CONNECTIONS * 2, unanswered: 0 });
        const bytes = CONNECTIONS * 8000;
        expect(result.traffic).toMatchObject({ sentBytes: bytes, receivedBytes: bytes });
        expect(result.packets.retransmitted).toBeGreaterThan(0);
        expect(result.packets).toMatchObject({ malformed: 0, badChecksums: 0 });

        // Held without traffic, the connections are the same as in the kernel's table.
        const holding = ["connect", `${FAR}:7777`, ...FREE, "-c", `${CONNECTIONS}`, "-T", "forever", ...patient];
        const client = startCli(holding);
        await client.prints(/"stage":"hold"/, DEADLINE_MS);
        await until("all are in the kernel's table", established, (count) => count === CONNECTIONS, DEADLINE_MS);
        client.child.kill("SIGINT");
        expect(resultOf((await client.exited(DEADLINE_MS)).stdout)).toMatchObject({
          established: CONNECTIONS,
          lost: 0,
        });
        server.child.kill("SIGTERM");
        const served = resultOf((await server.exited(DEADLINE_MS)).stdout);
        expect(served).toMatchObject({ accepted: 2 * CONNECTIONS, receivedBytes: bytes });
      },
      2 * DEADLINE_MS,
    );
  },
);
