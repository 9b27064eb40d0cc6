import { describe, expect, it } from "vitest";
import { BannerClient, BannerServer } from "../../src/protocols/banner.js";
import { ProtocolHost } from "../support/protocol-host.js";
import { describeProtocol, encode } from "./contract.js";

describeProtocol("a server with a banner", {
  create: (connections) => new BannerServer(connections, encode("hello"), false),
  stream: "GET / HTTP/1.1\r\n\r\n",
});
describeProtocol("a client that waits for a banner", {
  create: (connections) => new BannerClient(connections),
  stream: "hello",
});

function serve(banner: string, closes: boolean) {
  const host = new ProtocolHost();
  const server = new BannerServer(host, encode(banner), closes);
  host.constants = server.constants;
  host.opened(0);
  server.opened(0);
  return { server, said: host.said[0]! };
}

describe("a banner", () => {
  it("is sent once, immediately, and nothing answers what arrives", () => {
    const { server, said } = serve("hello", false);
    server.received(0, encode("hello"), 0, 5);
    expect(said).toMatchObject({ sent: "hello", isReady: true, isClosed: false });
  });

  it("is followed by a close on request", () => {
    expect(serve("hello", true).said).toMatchObject({ sent: "hello", isClosed: true });
  });

  it("that is empty closes nothing", () => {
    expect(serve("", true).said).toMatchObject({ sent: "", isReady: true, isClosed: false });
  });

  it("is neither awaited nor answered by the client", () => {
    const host = new ProtocolHost();
    const client = new BannerClient(host);
    host.opened(0);
    client.opened(0);
    expect(host.said[0]).toMatchObject({ isReady: true, isClosed: false });
    client.received(0, encode("h"), 0, 1);
    expect(host.said[0]).toMatchObject({ sent: "", isClosed: false });
  });
});
