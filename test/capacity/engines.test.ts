// Tests which engine each end of a predicted load uses, and that it is the engine of a run.
import { expect, it } from "vitest";
import { enginesFor } from "../../src/capacity/engines.js";
import type { UringFacts } from "../../src/transport/choose-engine.js";

const UNLIMITED = Number.POSITIVE_INFINITY;
const host = (memlock = UNLIMITED): UringFacts => ({ findMissing: () => undefined, memlockBytes: () => memlock });

it("is io_uring for a client with many connections, and epoll for its server", () => {
  expect(enginesFor("auto", 1_000_000, host())).toMatchObject({ client: "uring", server: "epoll" });
  expect(enginesFor("auto", 49_999, host())).toMatchObject({ client: "epoll", server: "epoll" });
});

it("is the requested one at both ends", () => {
  expect(enginesFor("uring", 100, host())).toMatchObject({ client: "uring", server: "uring" });
  expect(enginesFor("epoll", 1_000_000, host())).toMatchObject({ client: "epoll", server: "epoll" });
});

it("is epoll if the rings for that many connections cannot be locked, with the reason", () => {
  expect(enginesFor("auto", 1_000_000, host(65_536))).toMatchObject({
    ...{ client: "epoll", obstacle: { kind: "memlock", memlockBytes: 65_536 } },
  });
  // If io_uring is requested explicitly, the limit is one of many, reported with the number of connections that it
  // allows.
  expect(enginesFor("uring", 1_000_000, host(1024 ** 2))).toMatchObject({ client: "uring", obstacle: undefined });
});
