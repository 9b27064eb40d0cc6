// The client's transport over io_uring keeps the contract, over one ring and over several.
import { describe } from "vitest";
import type { ClientTransportOptions } from "../../../src/transport/contract.js";
import { UringClient } from "../../../src/transport/kernel-uring/client.js";
import { hasUring } from "../../support/ring.js";
import type { TransportCase } from "../../support/transport.js";
import { describeClientBudget } from "../contract/budget.js";
import { describeClient } from "../contract/client.js";
import { describeOpening } from "../contract/opening.js";

function openClient(options: ClientTransportOptions): UringClient | number {
  const transport = new UringClient(options);
  return transport.begin() || transport;
}

/** A ring for every two connections. */
const openSmall = (options: ClientTransportOptions) => openClient({ ...options, tableSize: 2 });
const openServer: TransportCase["openServer"] = () => {
  throw new Error("not tested here");
};

describe.skipIf(!hasUring)("kernel-uring", () => {
  describe.each([
    ["one ring", openClient],
    ["a ring for every two connections", openSmall],
  ])("in %s", (_, open) => {
    const transportCase = { openClient: open, openServer, needsDescriptors: false, tellsOwnAnswers: false };
    describeClient(transportCase);
    describeOpening(transportCase);
    describeClientBudget(transportCase);
  });
});
