// Tests the answers of an HTTP server, message by message.
import { describe, expect, it } from "vitest";
import { codeName } from "../../../src/protocols/codes.js";
import { chunks, message, request, SPEC } from "../../support/http.js";
import { CHUNKED, SLOT, serve } from "../../support/http-sides.js";

const statusOf = (sent: string) => [...sent.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

describe("a server", () => {
  it("answers every request on a connection, and keeps it alive", () => {
    const { said } = serve(request().repeat(3));
    expect(statusOf(said.sent)).toEqual([200, 200, 200]);
    expect(said.sent).toMatch(/Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello$/);
    expect(said).toMatchObject({ isReady: true, isClosed: false, statuses: [200, 200, 200] });
  });

  it("closes after the response if the client asks for it, or speaks HTTP/1.0", () => {
    for (const text of [
      request("", { Connection: "close" }) + request(),
      message("GET / HTTP/1.0") + request(),
      request("", { Connection: "Keep-Alive, Close" }),
    ]) {
      const { said } = serve(text);
      expect(said).toMatchObject({ isClosed: true, statuses: [200] });
      expect(said.sent).toContain("Connection: close\r\n");
    }
    expect(serve(message("GET / HTTP/1.0", { Connection: "keep-alive" })).said.isClosed).toBe(false);
    expect(serve(request(), { closes: true }).said.isClosed).toBe(true);
  });

  it("sends no body for HEAD, or with a status that allows none", () => {
    const { said } = serve(request("", {}, "HEAD / HTTP/1.1"));
    expect(said.sent).toMatch(/Content-Length: 5\r\n[\s\S]*\r\n\r\n$/);
    const { sent } = serve(request(), { spec: { ...SPEC, status: 204 } }).said;
    expect(sent).toBe("HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
  });

  it("reads either kind of body to its end", () => {
    const stream =
      request("x".repeat(5)) + message("PUT / HTTP/1.1", { Host: "a", ...CHUNKED }, chunks("a", "bc")) + request();
    expect(serve(stream).said.statuses).toEqual([200, 200, 200]);
  });

  it("reads chunks with extensions and a trailer", () => {
    const body = "4;name=value\r\nfour\r\n0000;last\r\nTrailer: yes\r\n\r\n";
    expect(serve(message("POST / HTTP/1.1", { Host: "a", ...CHUNKED }, body) + request()).said.statuses).toEqual([
      200, 200,
    ]);
  });

  it("sends 100 Continue to a client that waits for it", () => {
    const { said } = serve(request("body", { Expect: "100-continue" }));
    expect(statusOf(said.sent)).toEqual([100, 200]);
    expect(statusOf(serve(request("body", { Expect: "tea" })).said.sent)).toEqual([417]);
  });

  it("serves only its path, if given one, and continues after a request for another", () => {
    const { said } = serve(request() + request("", {}, "GET /a?b HTTP/1.1"), { spec: { ...SPEC, path: "/a?b" } });
    expect(said).toMatchObject({ statuses: [404, 200], refusedWith: undefined });
  });

  it("skips empty lines before a request", () => {
    expect(serve(`\r\n\r\n${request()}\r\n${request()}`).said.statuses).toEqual([200, 200]);
  });

  const refusals: [number, string, string][] = [
    [400, "something other than HTTP", "hello\r\n\r\n"],
    [400, "TLS", "\x16\x03\x01"],
    [400, "no host", message("GET / HTTP/1.1")],
    [400, "two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    [400, "a folded field", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"],
    [400, "a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"],
    [400, "a bare CR", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"],
    [400, "two lengths", request("", { "Content-Length": "1, 2" })],
    [400, "a negative length", request("", { "Content-Length": "-1" })],
    [400, "a length past all numbers", request("", { "Content-Length": "9".repeat(30) })],
    [400, "a length and chunks", request("", { "Content-Length": "3", ...CHUNKED })],
    [400, "a bad chunk size", `${request("", CHUNKED)}xyz\r\n`],
    [400, "an endless chunk size", request("", CHUNKED) + "0".repeat(20)],
    [400, "a chunk without its end", `${request("", CHUNKED)}1\r\nabc`],
    [413, "a long body", request("", { "Content-Length": "1048577" })],
    [413, "a long body in chunks", `${request("", CHUNKED)}100001\r\n${"x".repeat(0x100001)}`],
    [431, "a long head", `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(3000)}`],
    [501, "another coding", request("", { "Transfer-Encoding": "gzip, chunked" })],
    [505, "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ];
  it.each(refusals)("answers %i to %s, and closes the connection", (status, _, stream) => {
    for (const sizes of [[2 ** 22], [1]]) {
      const { said } = serve(stream, {}, sizes);
      expect(said.refusedWith && codeName(said.refusedWith)).toBe(`HTTP ${status}`);
      expect(statusOf(said.sent)).toEqual([status]);
      expect(said.sent).toMatch(/Connection: close\r\nContent-Length: 0\r\n\r\n$/);
    }
  });

  it("echoes either kind of body, each after its own head", () => {
    const chunked = chunks("one", "two");
    const stream = request("body") + message("PUT / HTTP/1.1", { Host: "a", ...CHUNKED }, chunked) + request();
    const { said } = serve(stream, { mode: "echo" });
    expect(said.sent).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Length: 4\r\n[\s\S]*\r\n\r\nbodyHTTP\/1\.1/);
    expect(said.sent).toContain(`chunked\r\nConnection: keep-alive\r\n\r\n${chunked}HTTP/1.1`);
    expect(said.statuses).toEqual([200, 200, 200]);
  });

  it("echoes a body that arrives in pieces of any size", () => {
    const body = "0123456789".repeat(30_000);
    const { said } = serve(request(body), { mode: "echo" }, [60_000]);
    expect(said.sent.slice(said.sent.indexOf("\r\n\r\n") + 4)).toBe(body);
  });

  it("sends events until the end, and no second response", () => {
    const spec = { ...SPEC, eventIntervalMs: 1000, body: Buffer.from("one\ntwo").toString("base64") };
    const { server, said } = serve(request() + request(), { spec });
    server.beat(SLOT);
    server.closing(SLOT);
    const event = "data: one\ndata: two\n\n";
    const chunk = `${event.length.toString(16)}\r\n${event}\r\n`;
    expect(said.sent).toContain(`Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`);
    expect(said).toMatchObject({ statuses: [200], beats: 1 });
    const old = serve(message("GET / HTTP/1.0"), { spec });
    old.server.beat(SLOT);
    old.server.closing(SLOT);
    expect(old.said.sent).toMatch(/Connection: close\r\n\r\ndata: one\ndata: two\n\ndata: one\ndata: two\n\n$/);
  });

  it("holds a response back for its delay, or until the client sends another request or everything ends", () => {
    const options = { spec: { ...SPEC, delayMs: 8000 } };
    const { server, said } = serve(request(), options);
    for (let n = 0; n < 8; n++) server.beat(SLOT);
    expect(said).toMatchObject({ sent: "", isReady: true });
    server.beat(SLOT);
    server.beat(SLOT);
    expect(said.statuses).toEqual([200]);
    expect(serve(request() + request(), options).said.statuses).toEqual([200]);
    const stopped = serve(request(), options);
    stopped.server.closing(SLOT);
    expect(stopped.said.statuses).toEqual([200]);
  });
});
