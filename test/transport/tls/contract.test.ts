// Tests TLS over kernel sockets against the transport contract, with peers that speak TLS too.
import { describe } from "vitest";
import { selfSignedIdentity } from "../../../src/linux/openssl/certificate.js";
import { clientContext, freeContext, serverContext } from "../../../src/linux/openssl/context.js";
import type { TlsSettings } from "../../../src/linux/openssl/settings.js";
import { openClientTransport, openServerTransport } from "../../../src/transport/open.js";
import { hasUring } from "../../support/ring.js";
import { tlsPeers } from "../../support/tls-peers.js";
import { describeTransport } from "../contract.js";

const identity = selfSignedIdentity(["DNS:localhost"]);
const COMMON = { freeContext, events: { established: () => undefined, secured: () => undefined } };

describe.each([
  ["1.2", "epoll"],
  ["1.3", "epoll"],
  ["1.3", "uring"],
] as const)("TLS %s over kernel-%s", (version, engine) => {
  if (engine === "uring" && !hasUring) return;
  const settings: TlsSettings = {
    ...{ ca: undefined, cert: undefined, key: undefined, ciphers: undefined, alpn: [], ticketKeys: undefined },
    ...{ identity: undefined, insecure: true, version },
  };
  const makeServer = () => serverContext({ ...settings, identity });

  describeTransport({
    openClient: (options) =>
      openClientTransport(engine, options, {
        ...COMMON,
        context: clientContext(settings),
        peers: [{ host: "localhost", isIp: false }],
        peerOf: () => 0,
        resumes: false,
      }),
    openServer: (options) =>
      openServerTransport(engine, options, { ...COMMON, context: makeServer(), handshakeTimeoutMs: 60_000 }),
    needsDescriptors: engine === "epoll",
    peers: tlsPeers(clientContext(settings), makeServer()),
  });
});
