// Tests both sides of HTTP/1.1 against the contract of all protocols.
import { HttpClient } from "../../../src/protocols/http/client.js";
import { HttpServer } from "../../../src/protocols/http/server.js";
import { chunks, message, request, response, SPEC } from "../../support/http.js";
import { describeProtocol } from "../contract.js";

const server = { spec: SPEC, greeting: "hello", closes: false };

describeProtocol("an HTTP server with a fixed response", {
  create: (connections, slots) => new HttpServer(connections, { ...server, mode: "hello", slots }),
  handshake: request(),
  stream: request("four"),
});
describeProtocol("an HTTP server that echoes", {
  create: (connections, slots) => new HttpServer(connections, { ...server, mode: "echo", slots }),
  handshake: request(),
  stream: message("POST / HTTP/1.1", { Host: "a", "Transfer-Encoding": "chunked" }, chunks("four", "x".repeat(20))),
});
describeProtocol("an HTTP server that holds its responses back", {
  create: (connections, slots) =>
    new HttpServer(connections, { ...server, spec: { ...SPEC, delayMs: 1000 }, mode: "hello", slots }),
  handshake: request(),
  stream: request("four"),
});
describeProtocol("an HTTP client", {
  create: (connections, slots) => new HttpClient(connections, SPEC, slots),
  handshake: response("first"),
  stream: response("four"),
  // An unsolicited response ends the connection.
  early: { stream: response("", {}, "408 Request Timeout"), unexpected: 0 },
});
describeProtocol("an HTTP client whose server sends chunks", {
  create: (connections, slots) => new HttpClient(connections, SPEC, slots),
  handshake: message("HTTP/1.1 100 Continue") + response("first"),
  stream: message("HTTP/1.1 200 OK", { "Transfer-Encoding": "chunked" }, chunks("one", "two")),
  early: { stream: "HTTP/1.", unexpected: 0 },
});
