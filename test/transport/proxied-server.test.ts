// Tests a server behind the PROXY protocol against the transport contract: its peers send a header first.
import { describe } from "vitest";
import { localAddress } from "../../src/linux/syscalls/socket.js";
import { openClientTransport, openServerTransport } from "../../src/transport/open.js";
import { connectRaw } from "../support/raw-sockets.js";
import { hasUring } from "../support/ring.js";
import { plainPeers, sendRaw } from "../support/transport.js";
import { describeBudget } from "./contract/budget.js";
import { describeServer } from "./contract/server.js";

/** Connects, and sends a header with the socket's own address. */
function dial(to: string, port: number): number {
  const fd = connectRaw(to, port);
  if (fd >= 0) {
    const own = localAddress(fd);
    sendRaw(fd, `PROXY TCP4 ${own.ip} ${to} ${own.port} ${port}\r\n`);
  }
  return fd;
}

const events = { arrived: () => true, identified: () => undefined, unidentified: () => undefined };

describe.each(["epoll", "uring"] as const)("the PROXY protocol over kernel-%s", (engine) => {
  if (engine === "uring" && !hasUring) return;
  const transportCase = {
    openClient: (options: Parameters<typeof openClientTransport>[1]) => openClientTransport(engine, options),
    openServer: (options: Parameters<typeof openServerTransport>[1]) =>
      openServerTransport(engine, options, undefined, { events, timeoutMs: 60_000 }),
    needsDescriptors: engine === "epoll",
    peers: { ...plainPeers, dial },
    restsAtFirst: true,
  };
  describe("as a server", () => describeServer(transportCase));
  describe("within its budget", () => {
    // Its tests without free descriptors expect connections that send nothing to be reported.
    describeBudget({ ...transportCase, needsDescriptors: false });
  });
});
