// Tests the upgrade to WebSocket: a server's response to a request, and a client's reaction to the response.
import { describe, expect, it } from "vitest";
import { codeName } from "../../../src/protocols/codes.js";
import type { WebSocketSpec } from "../../../src/protocols/spec/spec.js";
import { acceptOf, answerTo, findRefusal, makeRequest } from "../../../src/protocols/websocket/upgrade.js";
import { ACCEPT, agreement, KEY, request, SPEC } from "../../support/websocket.js";

it("computes the accept value of the RFC's example", () => {
  expect(acceptOf(KEY)).toBe(ACCEPT);
});

describe("a server", () => {
  const answer = (text: string, spec: Partial<WebSocketSpec> = {}) => answerTo(text, { ...SPEC, ...spec });

  it("accepts an upgrade", () => {
    expect(answer(request())).toEqual({ text: agreement(), refusal: undefined });
    const lists = { Upgrade: "h2c, WebSocket", Connection: "keep-alive, upgrade" };
    expect(answer(request(lists)).refusal).toBeUndefined();
  });

  it("agrees on its subprotocol, if requested", () => {
    const asked = request({ "Sec-WebSocket-Protocol": "soap, mqtt" });
    expect(answer(asked, { subprotocol: "mqtt" }).text).toBe(agreement({ "Sec-WebSocket-Protocol": "mqtt" }));
    expect(answer(asked).text).toBe(agreement());
    expect(answer(request(), { subprotocol: "mqtt" }).text).toBe(agreement());
    expect(answer(asked, { subprotocol: "MQTT" }).text).toBe(agreement());
  });

  const refusals: [number, string, string][] = [
    [400, "something other than HTTP", "hello\r\n\r\n"],
    [400, "HTTP/1.0", request({}, "GET / HTTP/1.0")],
    [400, "a request without a host", request({ Host: undefined })],
    [400, "a key of another length", request({ "Sec-WebSocket-Key": "abcd" })],
    [400, "a request without a key", request({ "Sec-WebSocket-Key": undefined })],
    [405, "another method", request({}, "POST / HTTP/1.1")],
    [426, "a plain request", request({ Upgrade: undefined, Connection: undefined })],
    [426, "another version", request({ "Sec-WebSocket-Version": "8" })],
  ];
  it.each(refusals)("answers %i to %s", (status, _, text) => {
    const { refusal, text: said } = answer(text);
    expect(refusal).toBe(status);
    expect(said).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nConnection: close\r\nContent-Length: 0\r\n\r\n$`));
  });

  it("is not slowed down by a field of nothing but blanks", () => {
    const began = performance.now();
    expect(answer(`GET / HTTP/1.1\r\nHost:${" ".repeat(16_000)}\n\r\n\r\n`).refusal).toBe(400);
    expect(answer(request({ Upgrade: ` \t websocket${" ".repeat(8000)}` })).refusal).toBeUndefined();
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it("serves only its path, if given one", () => {
    const at = (path: string) => answer(request({}, `GET ${path} HTTP/1.1`), { path: "/chat?room=1" }).refusal;
    expect([at("/chat?room=1"), at("/chat"), at("/")]).toEqual([undefined, 404, 404]);
  });
});

describe("a client", () => {
  it("requests with its own headers, which may replace the default ones", () => {
    const spec = { ...SPEC, path: "/chat?a=b", subprotocol: "mqtt", headers: ["Origin: https://a", "host: other"] };
    expect(makeRequest(spec, KEY).split("\r\n")).toEqual([
      "GET /chat?a=b HTTP/1.1",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Key: ${KEY}`,
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Protocol: mqtt",
      "Origin: https://a",
      "host: other",
      "",
      "",
    ]);
  });

  it("is accepted by our server", () => {
    expect(answerTo(makeRequest(SPEC, KEY), SPEC)).toEqual({ text: agreement(), refusal: undefined });
  });

  it("is agreed to with the server's own headers", () => {
    const { text } = answerTo(makeRequest(SPEC, KEY), { ...SPEC, headers: ["Server: test", "Set-Cookie: a=b"] });
    expect(text).toContain("\r\nServer: test\r\nSet-Cookie: a=b\r\n\r\n");
    expect(findRefusal(text, SPEC, KEY)).toBeUndefined();
  });

  const answers: [string | undefined, string][] = [
    [undefined, agreement()],
    [undefined, agreement({ Upgrade: "WebSocket", Date: "now" })],
    ["HTTP 503", agreement({}, "HTTP/1.1 503 Service Unavailable")],
    ["HTTP 200", agreement({}, "HTTP/1.1 200 OK")],
    ["NOT_HTTP", "SSH-2.0-OpenSSH\r\n\r\n"],
    ["NOT_HTTP", agreement({}, "HTTP/1.0 101 OK")],
    ["BAD_UPGRADE", agreement({ "Sec-WebSocket-Accept": "wrong" })],
    ["BAD_UPGRADE", agreement({ Upgrade: undefined })],
    ["BAD_UPGRADE", agreement({ Connection: "close" })],
    ["BAD_UPGRADE", agreement({ "Sec-WebSocket-Extensions": "permessage-deflate" })],
    ["BAD_SUBPROTOCOL", agreement({ "Sec-WebSocket-Protocol": "mqtt" })],
  ];
  it.each(answers)("reports %s for %j", (name, text) => {
    const code = findRefusal(text, SPEC, KEY);
    expect(code && codeName(code)).toBe(name);
  });

  it("requires the subprotocol that it requested", () => {
    const spec = { ...SPEC, subprotocol: "mqtt" };
    expect(findRefusal(agreement({ "Sec-WebSocket-Protocol": "mqtt" }), spec, KEY)).toBeUndefined();
    expect(codeName(findRefusal(agreement(), spec, KEY)!)).toBe("BAD_SUBPROTOCOL");
  });
});
