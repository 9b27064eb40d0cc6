// Tests that the numbers of a client's 4-tuples turn into addresses and ports, and back.
import { expect, it } from "vitest";
import { planPacketWorkers } from "../../../src/planning/packet/plan.js";
import { type SourcePorts, TupleSequence } from "../../../src/planning/tuple-plan.js";
import { fold, get16, sumOf } from "../../../src/transport/packet/tcp/segment.js";
import { Tuples } from "../../../src/transport/packet/tuples.js";
import { formatIp, parseIp } from "../../../src/util/address.js";

const V4 = ["10.64.0.250", "192.0.2.7", "10.99.0.1", "10.99.0.2"];
const V6 = ["fd00:64::fffa", "fd00:65::7", "fd00:99::1", "fd00:99::2"];

it.each([
  ["IPv4", V4],
  ["IPv6", V6],
])("numbers every tuple once, over several ranges and destinations (%s)", (_, texts) => {
  const [first, second, one, other] = texts.map(parseIp);
  const destinations = [
    { ip: one!, port: 80 },
    { ip: other!, port: 80 },
    { ip: one!, port: 443 },
  ];
  const sources = [
    { first: first!, count: 10 },
    { first: second!, count: 3 },
  ];
  const tuples = new Tuples({ sources, firstPort: 65_530, portCount: 6, destinations });
  const count = 13 * 6 * 3;
  const size = first!.bytes.length;
  const bytes = new Uint8Array(2 * size + 4);
  const seen = new Set<string>();
  for (let number = 0; number < count; number++) {
    const sum = tuples.writeEnds(number, bytes, 0, 2 * size);
    expect(fold(sum)).toBe(fold(sumOf(bytes, 0, 2 * size)));
    expect([...bytes.subarray(0, size)]).toEqual([...tuples.sourceIp(number).bytes]);
    expect([...bytes.subarray(size, 2 * size)]).toEqual([...tuples.destinationIp(number).bytes]);
    const [local, remote] = [get16(bytes, 2 * size), get16(bytes, 2 * size + 2)];
    expect([local, remote]).toEqual([tuples.localPort(number), tuples.remotePort(number)]);
    expect(tuples.find(bytes, 0, size, local, remote)).toBe(number);
    seen.add(bytes.join());
  }
  expect(seen.size).toBe(count);
});

it("a worker's plan has the addresses and ports that the transport uses", () => {
  const [first, , one, other] = V4.map(parseIp);
  const destinations = [
    { ip: one!, port: 80 },
    { ip: other!, port: 443 },
  ];
  const range = { first: 1000, last: 1019 };
  const ports: SourcePorts = { chosenBy: "us", range, startAt: 1009, except: [1003, 1010] };
  const sources = [{ first: first!, count: 8 }];
  for (const { plan, tuples } of planPacketWorkers({ groups: [{ sources, destinations }], ports }, [100, 100])) {
    const sequence = new TupleSequence(plan);
    const used = new Tuples(tuples);
    expect(sequence.count).toBe(4 * 18 * 2);
    for (let number = 0; number < sequence.count; number++) {
      expect(sequence.describe(number)).toEqual({
        sourceIp: formatIp(used.sourceIp(number)),
        sourcePort: used.localPort(number),
        destinationIp: formatIp(used.destinationIp(number)),
        destinationPort: used.remotePort(number),
      });
    }
  }
});
