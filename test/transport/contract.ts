// Contract that every transport must fulfil (src/transport/contract.ts). Each transport's test runs it.
import { describe } from "vitest";
import type { TransportCase } from "../support/transport.js";
import { describeBudget } from "./contract/budget.js";
import { describeClient } from "./contract/client.js";
import { describeOpening } from "./contract/opening.js";
import { describeServer } from "./contract/server.js";

export function describeTransport(transportCase: TransportCase): void {
  describe("as a client", () => {
    describeClient(transportCase);
    describeOpening(transportCase);
  });
  describe("as a server", () => describeServer(transportCase));
  describe("within its budget", () => describeBudget(transportCase));
}
