// Tests a server's exchange with bytes that it only peeks at, so that the same bytes are reported again.
import { expect, it } from "vitest";
import { WorkerMemory } from "../../src/engine/worker-memory.js";
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { Exchange } from "../../src/server/exchange/exchange.js";
import { COUNTER, SERVER_METRICS } from "../../src/server/metrics.js";
import type { ServePlan } from "../../src/server/worker-plan.js";
import type { ServerTransport } from "../../src/transport/contract.js";
import { SLOT } from "../../src/transport/slot-state.js";

it("counts a PROXY protocol header once, however often its peer makes the server peek at it", () => {
  const memory = new WorkerMemory(SERVER_METRICS.layout);
  const plan = { mode: "echo", greeting: "", shared: new SharedArrayBuffer(64) } as unknown as ServePlan;
  const exchange = new Exchange({ plan, memory } as never, () => undefined);
  // Accepts nothing, as if the peer did not read.
  const transport = { peeks: false, end: 1, state: () => SLOT.resting, send: () => 0, rest: () => undefined };
  exchange.begin(transport as unknown as ServerTransport);
  exchange.beginTurn(true);
  expect(transport.peeks).toBe(true);
  exchange.open(0);
  const bytes = NativeBuffer.from(Buffer.from("PROXY ping"));
  for (let n = 0; n < 5; n++) expect(exchange.receive(0, bytes, 0, bytes.bytes.length)).toBe(0);
  expect(memory.counters[COUNTER.unexpectedProxyHeaders]).toBe(1);
  // A new connection in the same slot.
  exchange.forget(0);
  exchange.open(0);
  exchange.receive(0, bytes, 0, bytes.bytes.length);
  expect(memory.counters[COUNTER.unexpectedProxyHeaders]).toBe(2);
});
