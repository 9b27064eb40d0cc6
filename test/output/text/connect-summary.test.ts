// Tests lines of a run's summary: the memory with its error, the factors of the 4-tuples, reopened connections.
import { expect, it } from "vitest";
import { explained } from "../../../src/diagnosis/explain.js";
import { connectSummary } from "../../../src/output/text/connect-summary.js";
import { connectResult } from "../../support/results.js";

const lineOf = (kernelBytesPerConnection: number, kernelErrorPerConnection?: number) => {
  const memory = {
    userBytesPerConnection: 90,
    kernelBytesPerConnection,
    kernelErrorPerConnection,
    kernelEnds: "one",
  } as const;
  const result = connectResult({ requested: 20_000, established: 20_000, isTargetMet: true, memory });
  const text = connectSummary(explained(result));
  return /^ *kernel memory +(.*)$/m.exec(text)?.[1];
};

it("the kernel memory per connection is given with its error", () => {
  expect(lineOf(4096, 120)).toBe("4.00 KiB ± 120 B per connection (this end)");
  // A result of an older version has no error.
  expect(lineOf(4096)).toBe("4.00 KiB per connection (this end)");
});

it.each([
  ["more than its value", 4096, 3000],
  ["a negative amount", -500, 100],
])("a value that other programs changed by %s is not measurable", (_, bytes, error) => {
  expect(lineOf(bytes, error)).toMatch(
    /^not measurable: other programs' memory use changed during the run \(-?[\d.]+ \w+ ± /,
  );
});

it("the first line says why the target was missed", () => {
  const firstLine = (changed: Parameters<typeof connectResult>[0]) =>
    connectSummary(explained(connectResult(changed))).split("\n")[0];
  const refused = [{ phase: "connect", errno: "ECONNREFUSED", count: 400 }] as const;
  const peer = { listeners: [], elsewhere: [], process: undefined };
  expect(firstLine({ established: 0, failures: refused, evidence: { peer } })).toBe(
    "target missed: 0 of 1,000 connections to 10.0.0.1:7777: nothing listens on that port",
  );
  expect(firstLine({ failures: [{ phase: "bind", errno: "EADDRNOTAVAIL", count: 400 }] })).toBe(
    "target missed: 600 of 1,000 connections to 10.0.0.1:7777: every planned 4-tuple is in use",
  );
  expect(firstLine({ established: 0, failures: [{ phase: "connect", errno: "ETIMEDOUT", count: 400 }] })).toBe(
    "target missed: 0 of 1,000 connections to 10.0.0.1:7777: either packets are dropped on the path, or the host is down, or no host has the address",
  );
  // The line already names the threshold.
  const failed = { established: 1000, failed: 0, misses: [{ kind: "latency", count: 9, of: 5 }] } as const;
  expect(firstLine(failed)).toBe(
    "target missed: 1,000 of 1,000 connections to 10.0.0.1:7777 opened, p99 9 ms (at most 5 ms allowed)",
  );
});

it("the factors of the 4-tuples multiply addresses only with destinations of their family", () => {
  const factorsOf = (destinations: readonly string[]) => {
    const plan = { tuplesAvailable: 193_533, tuplesSkipped: 0, sourceAddresses: 3, sourcePorts: "1025-65535" };
    const text = connectSummary(explained(connectResult({ plan, destinations: [...destinations] })));
    return /^ *4-tuples +193,533 \((.*)\)$/m.exec(text)?.[1];
  };
  expect(factorsOf(["10.0.0.1:7777"])).toBe("3 addresses × ports 1025-65535 × 1 destination");
  expect(factorsOf(["[fd00::1]:7777", "[fd00::2]:7777"])).toBe("3 addresses × ports 1025-65535 × 2 destinations");
  expect(factorsOf(["10.0.0.1:7777", "[fd00::1]:7777"])).toBe(
    "3 addresses × ports 1025-65535 × destinations of the same family (1 IPv4, 1 IPv6)",
  );
});

it("the factors of the 4-tuples multiply to their number, without the port of a server on this host", () => {
  const factorsOf = (tuplesAvailable: number, destinations = ["127.0.0.1:7777"]) => {
    const plan = { tuplesAvailable, tuplesSkipped: 0, sourceAddresses: 2, sourcePorts: "1024-65535" };
    const text = connectSummary(explained(connectResult({ plan, destinations })));
    return /^ *4-tuples +[\d,]+ \((.*)\)$/m.exec(text)?.[1];
  };
  expect(factorsOf(2 * 64_512)).toBe("2 addresses × ports 1024-65535 × 1 destination");
  expect(factorsOf(2 * 64_511)).toBe("2 addresses × ports 1024-65535 except the server's × 1 destination");
  expect(factorsOf(2 * 64_510 * 2, ["127.0.0.1:7777", "127.0.0.1:7778"])).toBe(
    "2 addresses × ports 1024-65535 except 2 used by servers × 2 destinations",
  );
  // Not every address reaches every destination.
  expect(factorsOf(90_000)).toBe("2 addresses × ports 1024-65535 × 1 destination");
});

const MESSAGES = {
  ...{
    expected: "response" as const,
    bytes: 50,
    due: 50_000,
    sent: 50_000,
    answered: 50_000,
    unanswered: 0,
    inFlight: 0,
    late: 0,
  },
  ...{ longestDelayMs: 0, missed: 0, blocked: 0, movedMs: 0, unsolicitedBytes: 0, wrongBytes: 0, requested: 50_000 },
} as const;
const RESPONSES = { "1xx": 0, "2xx": 49_990, "3xx": 0, "4xx": 10, "5xx": 0, statuses: [], retryAfterMs: 0 };

it("shows why a pool's connections were reopened, and the total of its requests", () => {
  const pool = { protocol: "http", requested: 10, established: 10, ready: 10, isTargetMet: true } as const;
  const times = {
    rampMs: 100,
    holdMs: 4900,
    reopened: { announced: 30, idle: 6, cutShort: 4, failed: 1, repeated: 2, unrepeated: 1 },
  };
  const result = connectResult({ ...pool, ...times, messages: MESSAGES, responses: RESPONSES });
  const text = connectSummary(explained(result));
  expect(text).toMatch(
    /^ *reopened +40: 30 after an announced close \(Connection: close\), 6 closed while idle, 4 cut short in a response, 1 could not be reopened; 1,000 requests per connection on average; 2 requests sent again; 1 request not sent again$/m,
  );
  expect(text).toMatch(/^ *requests +50,000 due, 50,000 sent, 50,000 answered \(49,990 × 2xx\), 0 late, 0 missed$/m);
  expect(text).toMatch(/^ *throughput +10,000 requests\/s$/m);
  expect(text).toMatch(/^ *closed loop +each of the requests was sent after the previous answer /m);
  const rated = connectResult({
    ...pool,
    messages: { ...MESSAGES, ratePerSec: 5 },
    reopened: { announced: 0, idle: 0, failed: 0 },
  });
  expect(connectSummary(explained(rated))).not.toMatch(/reopened|closed loop|throughput/);
});
