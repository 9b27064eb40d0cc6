// Closes a server's listening socket from outside, as `ss -K` does on a host that somebody repairs in a hurry.
import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { listeningAt } from "../support/kernel.js";
import { connectForeign, startServer } from "../support/peers.js";
import { hasProgram } from "../support/process.js";
import { within } from "../support/until.js";

it.skipIf(!hasProgram("ss"))(
  "the server ends in order if another program closes its listening socket",
  async (context) => {
    const server = await startServer();
    const end = server.done.catch((cause: unknown) => cause);
    const client = await connectForeign(server.address);
    await client.receives(5);
    // At this address only: the kernel may have given the same port to another test at another address.
    const { ip, port } = server.address;
    execFileSync("ss", ["-KHtnl", "src", `${ip}:${port}`]);
    // Without CONFIG_INET_DIAG_DESTROY, ss -K has no effect.
    if (listeningAt(server.address) > 0) return context.skip("the kernel does not close sockets for ss -K");
    expect(await within("the end of the server", end)).toMatchObject({ code: "E_LISTEN", fix: /ss -K/ });
  },
);
