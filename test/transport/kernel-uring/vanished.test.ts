// Tests that a run over io_uring whose peer vanishes counts exactly what the kernel's socket table shows. It needs a
// separate file, because a process that has already had a run opens connections from threads in its first namespace.
import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { untilClientEnds, untilNoClientEnds } from "../../support/kernel.js";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import { startClient, startForeignServer } from "../../support/peers.js";
import { hasProgram } from "../../support/process.js";
import { hasUring } from "../../support/ring.js";
import { until, within } from "../../support/until.js";

const HOLD = { durationMs: Number.POSITIVE_INFINITY };

it.skipIf(!hasUring || !canMakeNamespaces() || !hasProgram("nft"))(
  "connections whose peer has vanished stay established, later ones time out, and none is left at the end",
  async () => {
    enterNamespace();
    const { ip, port, at } = await startForeignServer((socket) => socket.pipe(socket));
    const messages = { message: "x", messageRatePerSec: 20 };
    const run = await startClient({ engine: "uring", to: at, connections: 40, close: "rst", ...messages, ...HOLD });
    await until(
      "answers",
      () => run.snapshot(),
      ({ answeredMessages }) => answeredMessages >= 40,
    );
    execFileSync("nft", [`table inet t { chain c { type filter hook input priority 0; tcp dport ${port} drop; }; }`]);
    const late = await startClient({ engine: "uring", to: at, connections: 10, connectTimeoutMs: 300, durationMs: 0 });
    const failures = [{ phase: "connect", errno: "ETIMEDOUT", count: expect.any(Number) }];
    expect(await within("the timeouts", late.done)).toMatchObject({ established: 0, failures });
    // The kernel keeps sending, so these are ESTABLISHED for both.
    await untilClientEnds(ip, port, 40);
    expect(run.snapshot()).toMatchObject({ open: 40, lost: 0 });
    expect(await within("the end", run.stop())).toMatchObject({ established: 40, openAtStop: 40, lost: 0 });
    await untilNoClientEnds(ip, port);
  },
);
