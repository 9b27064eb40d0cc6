// Tests addresses with and without a scheme, and the resulting spec.
import { expect, it } from "vitest";
import { formatAddress, parseAddress } from "../../src/protocols/spec/address.js";
import { protocolSpec } from "../../src/protocols/spec/options.js";

it.each([
  [":7777", "tcp", "127.0.0.1", 7777, undefined],
  ["7777", "tcp", "127.0.0.1", 7777, undefined],
  ["tcp://[::1]:7777", "tcp", "::1", 7777, undefined],
  ["ws://example.org", "ws", "example.org", 80, undefined],
  ["WS://example.org/", "ws", "example.org", 80, "/"],
  ["ws://example.org:8080/chat?a=b", "ws", "example.org", 8080, "/chat?a=b"],
  ["ws://example.org?a=b", "ws", "example.org", 80, "/?a=b"],
  ["ws://:7777/chat", "ws", "127.0.0.1", 7777, "/chat"],
  ["ws://7777", "ws", "127.0.0.1", 7777, undefined],
  ["mqtt://broker", "mqtt", "broker", 1883, undefined],
  ["mqtts://broker", "mqtts", "broker", 8883, undefined],
  ["ws://[::1]/x", "ws", "::1", 80, "/x"],
  ["ws://[fe80::1%eth0]:81", "ws", "fe80::1%eth0", 81, undefined],
])("%s", (text, scheme, host, port, path) => {
  expect(parseAddress(text)).toMatchObject({ scheme, host, ports: { first: port, last: port }, path });
});

it.each([
  ["ws://example.org/", "example.org"],
  ["ws://example.org:8080", "example.org:8080"],
  ["ws://:7777-7786", "127.0.0.1:7777"],
  ["ws://[::1]", "[::1]"],
  ["ws://[fe80::1%eth0]:81", "[fe80::1]:81"],
])("%s has the Host field %s", (text, host) => {
  expect(protocolSpec(parseAddress(text), {})).toMatchObject({ name: "ws", host });
});

it.each([
  ["ws://s:80", "10.64.0.1-10.64.0.8", "ws://10.64.0.1-10.64.0.8:80"],
  ["wss://w/w?w=w", "10.64.0.1", "wss://10.64.0.1:443/w?w=w"],
  ["http://http:80", "fd00::1-fd00::8", "http://[fd00::1-fd00::8]:80"],
  ["mqtt://7", "10.64.0.1", "mqtt://10.64.0.1:7"],
  [":0", "10.64.0.1", "10.64.0.1:0"],
  ["tls://s:7777-7786", "s2", "tls://s2:7777-7786"],
])("%s at another host, %s", (text, host, expected) => {
  const address = { ...parseAddress(text, { anyPort: true }), host };
  expect(formatAddress(address)).toBe(expected);
  expect(parseAddress(expected, { anyPort: true })).toEqual(address);
});

it("plain TCP has no spec", () => {
  expect(protocolSpec(parseAddress(":7777"), {})).toBeUndefined();
});
