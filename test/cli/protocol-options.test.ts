// Tests addresses with a scheme on the command line and the options specific to each scheme.
import { describe, expect, it } from "vitest";
import { runCli } from "../support/process.js";

describe.each(["connect", "serve"])("%s --help", (command) => {
  it("omits protocol-specific options, and says where to find them", async () => {
    const { code, stdout } = await runCli([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`fourtuple ${command} --help`);
    expect(stdout).toContain("--help ws");
    expect(stdout).not.toContain("--ping-interval <");
    // The topic of another transport repeats options of the main help.
    expect(stdout).toContain("--transport <");
    expect(stdout.split("\n").length).toBeLessThan(60);
  });

  it.each([
    ["ws", "--ping-interval <"],
    ["tls", "--tls-version <"],
    ["http", "--body <"],
    ["mqtt", command === "connect" ? "--client-id <" : "--refuse <"],
    ["packet", "--transport <"],
  ])("shows only the options and examples of %s on request", async (topic, option) => {
    const { code, stdout } = await runCli([command, "--help", topic]);
    expect(code).toBe(0);
    expect(stdout).toContain(option);
    expect(stdout).not.toMatch(/^ {2}--json /m);
    expect(stdout.match(/^Examples:/gm)).toHaveLength(1);
  });

  it.each(["ws", "tls", "http", "mqtt"])("shows the handshake timeout with the options of %s", async (topic) => {
    expect((await runCli([command, "--help", topic])).stdout).toContain("--handshake-timeout <");
  });
});

it("an unknown help topic is an error that lists the topics; an address is no topic", async () => {
  const { code, stdout, stderr } = await runCli(["connect", "--help", "own"]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(/^Fatal error: unknown help topic: "own"\n {2}fix: .*--help tls, .*--help protocol/);
  expect((await runCli(["serve", "--help", "messages"])).code).toBe(2);
  expect((await runCli(["connect", "--help", ":7777"])).code).toBe(0);
});

describe("connect", () => {
  const mistakes: [string, string[], RegExp][] = [
    [
      "an unknown scheme",
      ["gopher://host:1"],
      /unknown scheme in "gopher:\/\/host:1"[\s\S]*ws:\/\/[\s\S]*none for plain TCP/,
    ],
    ["a path with plain TCP", ["tcp://host:1/path"], /has a path/],
    ["a fragment", ["ws://host/a#b"], /remove the fragment/],
    ["credentials in the address", ["ws://user:secret@host/"], /contains a user name[\s\S]*-H/],
    ["a handshake timeout with plain TCP", [":1", "--handshake-timeout", "1s"], /plain TCP has no handshake/],
    ["an option of another protocol", [":1", "--ping-interval", "1s"], /--ping-interval requires WebSocket/],
    ["an invalid header", ["ws://host", "-H", "nonsense"], /invalid header: "nonsense"/],
    ["a message over HTTP", ["http://host", "-m", "ping"], /--body/],
    ["an expected answer with HTTP", ["http://host", "--expect", "any"], /omit --expect/],
    ["requests on connections that close", ["http://host", "-r", "1", "--close-after-response"], /are not held/],
    ["a method with plain TCP", [":1", "--method", "PUT"], /--method requires HTTP/],
    ["a body that cannot be read", ["http://host", "--body", "@/nowhere"], /nowhere cannot be read/],
    ["a path with MQTT", ["mqtt://host/a"], /has a path/],
    ["credentials in an MQTT address", ["mqtt://user:secret@host"], /contains a user name[\s\S]*--username/],
    ["a topic with a wildcard", ["mqtt://host", "--publish", "a/#"], /invalid topic: "a\/#"/],
    ["a wildcard for part of a level", ["mqtt://host", "--subscribe", "a/b+"], /invalid topic filter: "a\/b\+"/],
    ["a message without a topic", ["mqtt://host", "-m", "x"], /a message needs a topic[\s\S]*--publish/],
    ["a rate without a topic", ["mqtt://host", "-r", "5"], /requires a message/],
    [
      "a payload without room for its stamp",
      ["mqtt://host", "--publish", "a", "--message-size", "9"],
      /invalid message size: 9/,
    ],
    [
      "a session expiry with MQTT 3.1.1",
      ["mqtt://host", "--mqtt-version", "3.1.1", "--session-expiry", "1m"],
      /no session expiry/,
    ],
    ["a keep-alive of half a second", ["mqtt://host", "--keep-alive", "500ms"], /whole seconds/],
    ["a will without a topic", ["mqtt://host", "--will-message", "x"], /a will needs a topic/],
    ["an expected echo with MQTT", ["mqtt://host", "--publish", "a", "--expect", "echo"], /omit --expect/],
    ["one client id for all", ["mqtt://host", "-c", "2", "--client-id", "me"], /--client-id "me-%i"/],
    ["two paths", ["ws://host/a", "ws://host/b"], /differ in scheme or path/],
    ["two names", ["http://a.invalid/", "http://b.invalid/"], /have several names: "a.invalid", "b.invalid"/],
  ];
  it.each(mistakes)("explains what is wrong with %s", async (_, args, message) => {
    const { code, stderr } = await runCli(["connect", ...args]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe("serve", () => {
  it("rejects unknown reason codes, and a greeting with MQTT", async () => {
    const refused = await runCli(["serve", "mqtt://:0", "--refuse", "because"]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/unknown reason code: "because"/) });
    const greeting = await runCli(["serve", "mqtt://:0", "--greeting", "hi"]);
    expect(greeting).toMatchObject({ code: 2, stderr: expect.stringMatching(/neither greets nor echoes/) });
  });
});
