// Tests kernel-epoll against the contract.
import { describe } from "vitest";
import { openClientTransport, openServerTransport } from "../../../src/transport/open.js";
import { describeTransport } from "../contract.js";

describe("kernel-epoll", () => {
  describeTransport({
    openClient: (options) => openClientTransport("epoll", options),
    openServer: (options) => openServerTransport("epoll", options),
    needsDescriptors: true,
  });
});
