// Tests how an HTTP client handles responses.
import { describe, expect, it } from "vitest";
import { codeName, FAULT } from "../../../src/protocols/codes.js";
import { AS_ASKED, REPLACEABLE } from "../../../src/protocols/contract.js";
import { makeRequest } from "../../../src/protocols/http/response.js";
import { chunks, message, response, SPEC } from "../../support/http.js";
import { CHUNKED, feed, receive, SLOT } from "../../support/http-sides.js";

describe("a client", () => {
  it("makes a request with its own fields, which may replace the default ones", () => {
    const body = Buffer.from("body").toString("base64");
    const text = Buffer.from(
      makeRequest({ ...SPEC, path: "/a?b", method: "PUT", headers: ["host: other", "X: y"], body }),
    ).toString();
    expect(text.split("\r\n")).toEqual([
      "PUT /a?b HTTP/1.1",
      "User-Agent: fourtuple",
      "Accept: */*",
      "Content-Length: 4",
      "host: other",
      "X: y",
      "",
      "body",
    ]);
    expect(Buffer.from(makeRequest(SPEC)).toString()).toMatch(/^GET \/ HTTP\/1\.1\r\nHost: example\.com\r\n/);
  });

  const bodies: [string, string, string][] = [
    ["of known length", response("body"), "body"],
    ["in chunks", message("HTTP/1.1 200 OK", CHUNKED, chunks("bo", "dy")), "body"],
    ["after an interim response", message("HTTP/1.1 103 Early Hints") + response("body"), "body"],
    ["that is empty", response(""), ""],
    ["of 204", message("HTTP/1.1 204 No Content"), ""],
    ["of 304", response("", { "Content-Length": "99" }, "304 Not Modified"), ""],
  ];
  it.each(bodies)("reads a body %s, and the next response after it", (_, first, body) => {
    const { client, host, said } = receive(first);
    expect(said).toMatchObject({ isReady: true, answered: 0 });
    expect(host.content[SLOT]).toBe(body);
    expect(client.isBusy(SLOT)).toBe(false);
    host.begin(client, SLOT);
    host.finish(SLOT);
    expect(client.isBusy(SLOT)).toBe(true);
    feed(client, host, first, [3]);
    expect(said).toMatchObject({ answered: 1, refusedWith: undefined });
  });

  it("expects no body in a response to HEAD", () => {
    expect(
      receive(message("HTTP/1.1 200 OK", { "Content-Length": "99" }), { method: "HEAD" }).client.isBusy(SLOT),
    ).toBe(false);
  });

  it("takes the end of the connection as the end of a body without a length", () => {
    const { client, said } = receive(message("HTTP/1.1 200 OK", {}, "some"));
    expect(said).toMatchObject({ isReady: true, isClosed: false });
    expect(codeName(client.peerClosed(SLOT))).toBe("CONNECTION_CLOSE");
    const churn = receive(message("HTTP/1.0 200 OK", {}, "some"), { closesAnswered: true });
    expect(churn.client.peerClosed(SLOT)).toBe(AS_ASKED);
  });

  it("distinguishes an end between responses from one in the middle of a response", () => {
    const endAfter = (stream: string) => receive(stream).client.peerClosed(SLOT);
    expect(endAfter(response("body"))).toBe(0);
    for (const cut of ["HTTP", "HTTP/1.1 200 OK\r\n", response("body").slice(0, -1)]) {
      expect(codeName(endAfter(cut))).toBe("CUT_SHORT");
    }
  });

  it("does not take a FIN without close_notify as the end of a body", () => {
    for (const [use, expected] of [
      [undefined, FAULT.CUT_SHORT],
      [{ hasMessages: true, reopens: true }, REPLACEABLE.cutShort],
    ] as const) {
      const { client } = receive(message("HTTP/1.1 200 OK", {}, "some"), {}, use ? 1 : 0, undefined, use);
      expect(client.peerClosed(SLOT, true)).toBe(expected);
    }
  });

  describe("in a pool", () => {
    const pooled = (stream: string, messages = 1) =>
      receive(stream, {}, messages, undefined, { hasMessages: true, reopens: true });

    it("sends no request but those that are due", () => {
      expect(pooled("", 0).said.sent).toBe("");
      expect(pooled("", 1).said.sent).toMatch(/^GET \/ HTTP\/1\.1\r\n/);
    });

    it("takes an error as an answer, even the first", () => {
      const { said, client } = pooled(response("busy", {}, "503 Service Unavailable"));
      expect(said).toMatchObject({ isReady: true, answered: 1, refusedWith: undefined, statuses: [503] });
      expect(client.isBusy(SLOT)).toBe(false);
    });

    it("sends nothing more after an announced close, and expects its end", () => {
      const { said, client } = pooled(response("body", { Connection: "close" }));
      expect(said).toMatchObject({ answered: 1, isLast: true, isClosed: false, refusedWith: undefined });
      expect(client.isBusy(SLOT)).toBe(true);
      expect(client.peerClosed(SLOT)).toBe(REPLACEABLE.announced);
      expect(client.peerReset(SLOT)).toBe(REPLACEABLE.announced);
    });

    it("takes 408 without a request as an announced close", () => {
      const { said } = pooled(response("") + response("", { Connection: "close" }, "408 Request Timeout"));
      expect(said).toMatchObject({ answered: 1, isLast: true, refusedWith: undefined });
    });

    it("takes the end of the connection as the end of a body", () => {
      const { said, client } = pooled(message("HTTP/1.0 200 OK", {}, "some"));
      expect(said.answered).toBe(0);
      expect(client.peerClosed(SLOT)).toBe(REPLACEABLE.announced);
      expect(said.answered).toBe(1);
    });

    it("replaces a connection that ends between responses or in the middle of one, but not one without any", () => {
      expect(pooled(response("")).client.peerClosed(SLOT)).toBe(REPLACEABLE.idle);
      expect(pooled("").client.peerClosed(SLOT)).toBe(0);
      expect(pooled("").client.peerReset(SLOT)).toBe(0);
      const { client, host } = pooled(response(""));
      host.begin(client, SLOT);
      host.finish(SLOT);
      expect([client.peerClosed(SLOT), client.peerReset(SLOT)]).toEqual([REPLACEABLE.idle, REPLACEABLE.idle]);
      feed(client, host, "HTTP", [1]);
      const { cutShort } = REPLACEABLE;
      expect([client.peerClosed(SLOT), client.peerReset(SLOT)]).toEqual([cutShort, cutShort]);
      expect(pooled("HTTP").client.peerReset(SLOT)).toBe(0);
    });
  });

  it("closes after the response on request", () => {
    const { said } = receive(response("body"), { closesAnswered: true });
    expect(said).toMatchObject({ isReady: true, isClosed: true, refusedWith: undefined });
    expect(said.sent).toContain("\r\nConnection: close\r\n");
  });

  const endings: [string, string][] = [
    ["CONNECTION_CLOSE", response("body", { Connection: "close" })],
    ["CONNECTION_CLOSE", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
    ["HTTP 404", response("", {}, "404 Not Found")],
    ["HTTP 503", response("busy", { "Retry-After": "5" }, "503 Service Unavailable")],
    ["HTTP 301", response("", { Location: "https://example.com/" }, "301 Moved Permanently")],
    ["HTTP 101", message("HTTP/1.1 101 Switching Protocols")],
    ["UNSOLICITED_RESPONSE", response("") + response("")],
    ["HTTP 408", response("") + response("", { Connection: "close" }, "408 Request Timeout")],
    ["NOT_HTTP", "SSH-2.0-OpenSSH"],
    ["NOT_HTTP", "HTTP/2 200\r\n\r\n"],
    ["TLS_RECORD", "\x15\x03\x01\0\x02\x02\x46"],
    ["BAD_RESPONSE", response("", { "Content-Length": "1, 2" })],
    ["BAD_RESPONSE", `${message("HTTP/1.1 200 OK", CHUNKED)}z\r\n`],
    ["BAD_RESPONSE", "HTTP/1.1 200 OK\r\nno field\r\n\r\n"],
    ["HEAD_TOO_LONG", `HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(3000)}`],
  ];
  it.each(endings)("ends a connection with %s for %j", (name, stream) => {
    for (const sizes of [[2 ** 20], [1]]) {
      const { said } = receive(stream, {}, 0, sizes);
      expect(said.refusedWith && codeName(said.refusedWith)).toBe(name);
    }
  });

  it("continues after an error once it is ready, and after a redirect to another path", () => {
    const first = response("", { Location: "/other" }, "302 Found");
    const { client, host, said } = receive(first);
    for (let n = 0; n < 2; n++) {
      host.begin(client, SLOT);
      host.finish(SLOT);
      feed(client, host, response("oh", {}, "500 Internal Server Error"), [2]);
    }
    expect(said).toMatchObject({ isReady: true, answered: 2, refusedWith: undefined, statuses: [302, 500, 500] });
    expect(
      receive(response("", { Location: "https://a" }, "302 Found"), { isSecure: true }).said.refusedWith,
    ).toBeUndefined();
  });

  it("gives up on a response that stalls for too long", () => {
    const { client, host, said } = receive(response(""), { responseTimeoutMs: 4000 });
    for (let n = 0; n < 20; n++) client.beat(SLOT);
    expect(said.refusedWith).toBeUndefined();
    host.begin(client, SLOT);
    for (let n = 0; n < 4; n++) client.beat(SLOT);
    feed(client, host, "HTTP/1.1 200", [20]);
    for (let n = 0; n < 4; n++) client.beat(SLOT);
    expect(said.refusedWith).toBeUndefined();
    client.beat(SLOT);
    expect(codeName(said.refusedWith!)).toBe("NO_RESPONSE");
  });
});
