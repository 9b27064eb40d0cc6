// Tests kernel-uring against the contract, with one ring and with several.
import { describe } from "vitest";
import type { ClientTransportOptions, ServerTransportOptions } from "../../../src/transport/contract.js";
import { UringClient } from "../../../src/transport/kernel-uring/client.js";
import { UringServer } from "../../../src/transport/kernel-uring/server.js";
import { hasUring } from "../../support/ring.js";
import { describeTransport } from "../contract.js";

function openClient(options: ClientTransportOptions): UringClient | number {
  const transport = new UringClient(options);
  return transport.begin() || transport;
}

function openServer(options: ServerTransportOptions): UringServer | number {
  const transport = new UringServer(options);
  return transport.begin() || transport;
}

const SMALL = { tableSize: 2 };

describe.skipIf(!hasUring)("kernel-uring", () => {
  const kind = { needsDescriptors: false };

  describe("in one ring", () => describeTransport({ ...kind, openClient, openServer }));

  describe("in one ring for every two connections", () =>
    describeTransport({
      ...kind,
      openClient: (options) => openClient({ ...options, ...SMALL }),
      openServer: (options) => openServer({ ...options, ...SMALL }),
    }));
});
