// Tests the meaning of what an HTTP server answers: whose limit it is, and what to change.
import { describe, expect, it } from "vitest";
import { explainHttp, redirectNotes } from "../../src/diagnosis/rules/protocols/http.js";
import type { ConnectResult } from "../../src/index.js";
import type { FailureReport } from "../../src/results/fields.js";
import { connectResult } from "../support/results.js";

const RESPONSES = { "1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, statuses: [], retryAfterMs: 0 };

function explain(errno: string, phase: FailureReport["phase"] = "request", changed: Partial<ConnectResult> = {}) {
  const result = connectResult({ protocol: "http", responses: RESPONSES, ...changed });
  return explainHttp(result, { phase, errno, count: 3 });
}

it.each([
  ["TLS_RECORD", "address", "local"],
  ["NOT_HTTP", "address", "local"],
  ["HTTP 301", "address", "local"],
  ["HTTP 401", "credentials", "local"],
  ["HTTP 404", "address", "local"],
  ["HTTP 413", "message-size", "peer"],
  ["HTTP 429", "peer-rate", "peer"],
  ["HTTP 502", "backend", "peer"],
  ["HTTP 503", "peer-maximum", "peer"],
  ["HTTP 418", "refused", "local"],
  ["HTTP 599", "refused", "peer"],
  ["BAD_RESPONSE", "refused", "peer"],
  ["HEAD_TOO_LONG", "refused", "peer"],
  ["CUT_SHORT", "peer-closing", "peer"],
  ["NO_RESPONSE", "peer-silent", "peer"],
  ["UNSOLICITED_RESPONSE", "peer-fault", "peer"],
  ["ETIMEDOUT", "peer-silent", "peer"],
  ["FIN", "refused", "peer"],
  ["ECONNRESET", "refused", "peer"],
])("explains %s by %s, on the %s side", (errno, limit, whose) => {
  expect(explain(errno)).toMatchObject({ limit, whose, evidence: [`3 × ${errno} (request)`] });
});

it("suspects TLS behind a 400 only in plain text", () => {
  expect(explain("HTTP 400")!.fix).toContain("https://");
  expect(explain("HTTP 400", "request", { tls: { secured: 3, resumed: 0 } })!.fix).not.toContain("https://");
});

describe("an announced close", () => {
  const closed = (responses: number, changed: Partial<ConnectResult> = {}) =>
    explain("CONNECTION_CLOSE", "hold", {
      ready: 3,
      lost: 3,
      responses: { ...RESPONSES, "2xx": responses },
      ...changed,
    })!.meaning;

  it("is reported with the number of requests, if it is the same for all connections", () => {
    expect(closed(3)).toContain("after one response");
    expect(closed(3000)).toContain("after 1,000 requests");
    expect(closed(3001)).toContain("after some requests");
    expect(closed(3000, { ready: 4 })).toContain("after some requests");
  });
});

it("reports the wait that a server asks for", () => {
  const responses = { ...RESPONSES, retryAfterMs: 30_000 };
  expect(explain("HTTP 429", "response", { responses })!.evidence[1]).toMatch(/asks to wait 30.* s \(Retry-After\)/);
  expect(explain("HTTP 500", "response", { responses })!.evidence).toHaveLength(1);
});

it("leaves other failures and other protocols to other rules", () => {
  expect(explain("FIN", "hold")).toBeUndefined();
  expect(explain("ECONNREFUSED", "connect")).toBeUndefined();
  expect(explain("HTTP 503", "upgrade", { protocol: "ws" })).toBeUndefined();
});

it("notes redirects, which are not followed", () => {
  expect(redirectNotes(connectResult({ responses: { ...RESPONSES, "3xx": 2 } }))[0]).toContain("2 responses");
  expect(redirectNotes(connectResult())).toEqual([]);
});
