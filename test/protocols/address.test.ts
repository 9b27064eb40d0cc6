// Tests addresses with and without a scheme, and the resulting spec.
import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress } from "../../src/protocols/spec/address.js";
import { protocolSpec } from "../../src/protocols/spec/options.js";
import type { AppError } from "../../src/util/errors.js";
import { runCli } from "../support/process.js";

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

function errorOf(text: string): AppError {
  try {
    parseAddress(text);
  } catch (error) {
    return error as AppError;
  }
  throw new Error(`${JSON.stringify(text)} is an address`);
}

describe("a malformed address says what is wrong with it, and what was probably meant:", () => {
  it.each([
    ["http//:8080", "has no :// after its scheme", "http://:8080"],
    ["http:/host", "has no :// after its scheme", "http://host"],
    ["http:host", "has no :// after its scheme", "http://host"],
    ["http:host:80/a", "has no :// after its scheme", "http://host:80/a"],
    ["http///host", "has no :// after its scheme", "http://host"],
    ["http;//host", "has no :// after its scheme", "http://host"],
    ["http:\\\\host\\a", "has no :// after its scheme", "http://host/a"],
    ["https//host/a?b", "has no :// after its scheme", "https://host/a?b"],
    ["HTTPS//host", "has no :// after its scheme", "https://host"],
    ["tcp:host:80", "has no :// after its scheme", "tcp://host:80"],
    ["tcp:host", "has no :// after its scheme", "tcp://host:7777"],
    ["tcp::80", "has no :// after its scheme", "tcp://:80"],
    ["mqtts:broker", "has no :// after its scheme", "mqtts://broker"],
    ["http:", "has no :// after its scheme", "http://example.org"],
    ["http://https://host/", "has two schemes", "https://host/"],
    ["http:///a", "names no host", "http://example.org/a"],
    ["tls://", "names no host", "tls://example.org:7777"],
    ["htp://host/a", 'unknown scheme in "htp://host/a"', "http://host/a"],
    ["mqqt://host", 'unknown scheme in "mqqt://host"', "mqtt://host"],
    ["//host:80", "begins with a slash, but has no scheme", "host:80 or http://host:80"],
    ["://host", "begins with a slash, but has no scheme", "host:7777 or http://host"],
    ["host/a", "has a path, but no scheme that uses paths", "http://host/a"],
    ["host:80/a", "has a path, but no scheme that uses paths", "http://host:80/a"],
    ["10.0.0.1/24", "is a block of addresses, not a single one", "10.0.0.1:7777"],
    ["host:80:80", "names more than one port", "host:80"],
    ["http://host:80:81/a", "names more than one port", "http://host:80/a"],
    ["host:80,81", "lists ports", "host:80 host:81"],
    ["http://host:80,81/a", "lists ports", "http://host:80/a http://host:81/a"],
    ["host;80", "has a ; where a colon belongs", "host:80"],
    ["host:http", 'has "http" where its port should be, a number', "host:7777"],
    ["host:", "has no port", "host:7777"],
    ["tls://host", "has no port", "tls://host:7777"],
    ["::1:80", "is an IPv6 address without brackets", "[::1]:80 or [::1:80]:7777"],
    ["1:2:3:4:5:6:7:8:80", "is an IPv6 address without brackets", "[1:2:3:4:5:6:7:8]:80"],
    ["fe80::1%eth0", "is an IPv6 address without brackets", "[fe80::1%eth0]:7777"],
    ["http://::1/a", "is an IPv6 address without brackets", "http://[::1]/a"],
    ["[::1]", "has no port", "[::1]:7777"],
    ["[::1]80", "has no colon between its address and its port", "[::1]:80"],
    ["[::1:80", "lacks a bracket", "[::1]:80"],
    ["http://[::1/", "lacks a bracket", "http://[::1]/"],
    ["[host]:80", "has brackets, which only IPv6 addresses take", "host:80"],
    ["host..:80", "has an empty part in its host name", "host.:80"],
    ["a..b:80", "has an empty part in its host name", "a.b:80"],
    ["10.0.0.1.:80", "has a dot behind its IPv4 address", "10.0.0.1:80"],
    [" host:80 ", "contains spaces", "host:80"],
    ["host: 80", "contains spaces", "host:80"],
    ["host:80\n", "contains spaces", "host:80"],
    ["http:// host/", "contains spaces", "http://host/"],
    ["host 80", "contains spaces", "host:80"],
    ["http://host;8080/a", "has a ; where a colon belongs", "http://host:8080/a"],
    ["http:host 80/a", "has no :// after its scheme", "http://host:80/a"],
    ["10.0.0.1/24:80", "is a block of addresses, not a single one", "10.0.0.1:80"],
  ])("%j", (text, problem, meant) => {
    const { code, message, fix } = errorOf(text);
    expect(code).toBe("E_ADDRESS");
    expect(message).toBe(
      problem.startsWith("unknown")
        ? problem
        : `${JSON.stringify(text).replace(/\\n/, "?").replaceAll("\\\\", "\\")} ${problem}`,
    );
    expect(fix).toBe(`write it as ${meant}`);
    for (const each of meant.split(/ or | (?=host|http)/)) expect(() => parseAddress(each)).not.toThrow();
  });

  const FORMS = "127.0.0.1:7777, [::1]:7777, example.org:7777 or :7777";

  it.each([
    ["http:/host:99999", "http://host:99999; a TCP port has 16 bits: use 1 to 65535"],
    ["http:/user:pw@host", "http://user:pw@host; send credentials in a header, such as -H 'Authorization: Basic …'"],
    ["host:80 host:81", FORMS],
    ["my host:80", FORMS],
    ["[::1::2]:80", FORMS],
    ["[:]", FORMS],
  ])("%j, which has more than one fault or no single correction", (text, fix) => {
    expect(errorOf(text).fix).toBe(`write it as ${fix}`);
  });

  it("///, which does not begin with a slash for want of a scheme", () => {
    expect(errorOf("///").message).toBe('"///" is not an address: a host name has no "/"');
  });

  it.each([
    ["256.0.0.1:80", "is not an IPv4 address, which is four numbers from 0 to 255"],
    ["10.0.0.1.5:80", "is not an IPv4 address, which is four numbers from 0 to 255"],
    ["<host>:80", 'is not an address: a host name has no "<"'],
    ["ho*st:80", 'is not an address: a host name has no "*"'],
  ])("%j", (text, problem) => {
    expect(errorOf(text)).toMatchObject({
      message: `"${text}" ${problem}`,
      fix: "name a host or an IP address: example.org:80, 127.0.0.1:80",
    });
  });

  it("on the command line, without looking up a name", async () => {
    const { stderr, code } = await runCli(["connect", "http//:8080"]);
    expect(stderr).toMatch(/"http\/\/:8080" has no :\/\/ after its scheme\n *fix: write it as http:\/\/:8080/);
    expect(code).toBe(2);
  });

  it("not for hosts that only look odd", () => {
    for (const text of [
      "http:8080",
      "host.:80",
      "my_host:80",
      "xn--bcher-kva.example:80",
      "bücher.example:80",
      "127.1:80",
    ]) {
      expect(() => parseAddress(text)).not.toThrow();
    }
  });
});
