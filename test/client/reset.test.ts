// Tests connections that are reset before this side has noticed them.
import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { startForeignServer } from "../support/peers.js";
import { hasProgram, resultOf, runCli } from "../support/process.js";

it.skipIf(!canMakeNamespaces() || !hasProgram("nft"))(
  "a connection that is reset right after it is ESTABLISHED counts as established, then as lost",
  async () => {
    enterNamespace();
    const server = await startForeignServer();
    // The last packet of the handshake is answered with RST, still within connect().
    const rule = `tcp dport ${server.port} tcp flags & (syn | rst | ack) == ack reject with tcp reset`;
    execFileSync("nft", [`table inet t { chain c { type filter hook input priority 0; ${rule}; }; }`]);
    const { stdout } = await runCli(["connect", server.at, "-c", "20", "-T", "100ms", "--json"]);
    expect(resultOf(stdout)).toMatchObject({
      outcome: "missed",
      established: 20,
      failed: 0,
      failures: [],
      losses: [{ phase: "hold", errno: "ECONNRESET", count: 20 }],
    });
  },
);
