import { expect, it } from "vitest";
import { TupleCombiner } from "../../../src/socket-table/aggregate/tuple-combiner.js";

it("passes on every socket exactly once, with its own key, however many keys there are", () => {
  const counted = new Map<string, number>();
  const expected = new Map<string, number>();
  const count = (counts: Map<string, number>, key: string, sockets: number) =>
    counts.set(key, (counts.get(key) ?? 0) + sockets);
  const combiner = new TupleCombiner((local, remote, port, kind, localPort, sockets) => {
    expect(localPort).toBe(port % 1000);
    count(counted, `${local} ${remote} ${port} ${kind}`, sockets);
  });
  let seed = 1;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 1;
    return seed % below;
  };
  for (let i = 0; i < 60_000; i++) {
    // Often the same few, and sometimes one of many.
    const [local, remote] = i % 3 === 0 ? [random(2 ** 31) * 2, random(1000)] : [0xffff_ffff, random(4)];
    const [port, kind] = [random(i % 3 === 0 ? 65_536 : 2), random(3)];
    combiner.add(local, remote, port, kind, port % 1000);
    count(expected, `${local} ${remote} ${port} ${kind}`, 1);
    if (i === 30_000) combiner.flush();
  }
  combiner.flush();
  combiner.flush();
  expect(counted).toEqual(expected);
});
