// Tests the meaning of a protocol refusal: each fault and the common codes have their own text, and every other code
// has a generic one.
import { expect, it } from "vitest";
import { explainRefusedProtocol } from "../../src/diagnosis/rules/refusals.js";
import type { ConnectResult } from "../../src/index.js";
import { FAULTS } from "../../src/protocols/codes.js";
import type { FailureReport } from "../../src/results/fields.js";

const explain = (errno: string, phase: FailureReport["phase"] = "upgrade", aborts = 0) =>
  explainRefusedProtocol(
    { evidence: { settings: { "net.ipv4.tcp_abort_on_overflow": aborts } } } as unknown as ConnectResult,
    { phase, errno, count: 3 },
  );

/** Faults specific to HTTP; see test/diagnosis/http.test.ts. */
const OF_HTTP = ["TLS_RECORD", "BAD_RESPONSE", "CUT_SHORT", "CONNECTION_CLOSE", "NO_RESPONSE", "UNSOLICITED_RESPONSE"];
/** Faults that only a server reports; see test/server/proxy-protocol.test.ts. */
const OF_SERVER = ["NO_PROXY_HEADER", "BAD_PROXY_HEADER", "PROXY_HEADER_TOO_LONG", "PROXY_HEADER"];
/** Faults that concern all protocols; see test/diagnosis/explain.test.ts. */
const OF_ALL = ["SEND_QUEUE_FULL", "BUFFERS_FULL"];
const ELSEWHERE = [...OF_HTTP, ...OF_SERVER, ...OF_ALL];

it.each(FAULTS.filter((fault) => !ELSEWHERE.includes(fault)))("has a text for %s", (fault) => {
  expect(explain(fault)).toMatchObject({ evidence: [`3 × ${fault} (upgrade)`] });
  expect(explain(fault)!.meaning.length).toBeGreaterThan(20);
});

it.each([
  ["HTTP 401", "credentials", "local"],
  ["HTTP 404", "address", "local"],
  ["HTTP 429", "peer-rate", "peer"],
  ["HTTP 502", "backend", "peer"],
  ["HTTP 503", "peer-maximum", "peer"],
  ["HTTP 418", "refused", "local"],
  ["HTTP 200", "address", "local"],
  ["HTTP 308", "address", "local"],
  ["HTTP 599", "refused", "peer"],
  ["CLOSE 1002", "refused", "peer"],
  ["CLOSE 1003", "refused", "local"],
  ["CLOSE 1007", "refused", "local"],
  ["CLOSE 1008", "policy", "peer"],
  ["CLOSE 1011", "peer-fault", "peer"],
  ["CLOSE 1013", "peer-maximum", "peer"],
  ["CLOSE 1014", "backend", "peer"],
  ["CONNACK QUOTA_EXCEEDED", "peer-quota", "peer"],
  ["CONNACK CONNECTION_RATE_EXCEEDED", "peer-rate", "peer"],
  ["DISCONNECT CONNECTION_RATE_EXCEEDED", "peer-rate", "peer"],
  ["CLOSE 4001", "refused", "peer"],
  ["ETIMEDOUT", "peer-silent", "peer"],
  ["FIN", "refused", "peer"],
])("explains %s by %s, on the %s side", (errno, limit, whose) => {
  expect(explain(errno)).toMatchObject({ limit, whose });
});

it("leaves other failures to other rules", () => {
  expect(explain("ETIMEDOUT", "connect")).toBeUndefined();
  expect(explain("FIN", "hold")).toBeUndefined();
  expect(explain("ECONNRESET", "upgrade", 1)).toBeUndefined();
  expect(explain("ECONNRESET")).toBeDefined();
});
