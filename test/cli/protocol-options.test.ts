// Tests addresses with a scheme on the command line and the options specific to each scheme.
import { describe, expect, it } from "vitest";
import { runCli } from "../support/process.js";

describe.each(["connect", "serve"])("%s --help", (command) => {
  it("leaves out what only some protocols have, and says where it is", async () => {
    const { code, stdout } = await runCli([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`fourtuple ${command} --help`);
    expect(stdout).toContain("--help ws");
    expect(stdout).not.toContain("--ping-interval <");
    expect(stdout.split("\n").length).toBeLessThan(60);
  });

  it.each([
    ["ws", "--ping-interval <"],
    ["tls", "--tls-version <"],
    ["http", "--body <"],
  ])("shows the options and examples of %s alone when asked for them", async (topic, option) => {
    const { code, stdout } = await runCli([command, "--help", topic]);
    expect(code).toBe(0);
    expect(stdout).toContain(option);
    expect(stdout).not.toMatch(/^ {2}--json /m);
    expect(stdout.match(/^Examples:/gm)).toHaveLength(1);
  });

  it.each(["ws", "tls", "http"])("shows the time of a handshake with the options of %s", async (topic) => {
    expect((await runCli([command, "--help", topic])).stdout).toContain("--handshake-timeout <");
  });
});

describe("connect", () => {
  const mistakes: [string, string[], RegExp][] = [
    ["an unknown scheme", ["gopher://host:1"], /unknown scheme in "gopher:\/\/host:1"[\s\S]*ws:\/\//],
    ["one that is not spoken", ["mqtt://host"], /does not support mqtt:\/\/[\s\S]*none for plain TCP/],
    ["a path of plain TCP", ["tcp://host:1/path"], /has a path/],
    ["a fragment", ["ws://host/a#b"], /remove the fragment/],
    ["credentials in the address", ["ws://user:secret@host/"], /contains a user name[\s\S]*-H/],
    ["a handshake's time in plain TCP", [":1", "--handshake-timeout", "1s"], /plain TCP has no handshake/],
    ["an option of another protocol", [":1", "--ping-interval", "1s"], /--ping-interval requires WebSocket/],
    ["a header that is none", ["ws://host", "-H", "nonsense"], /invalid header: "nonsense"/],
    ["a message over HTTP", ["http://host", "-m", "ping"], /--body/],
    ["an answer expected over HTTP", ["http://host", "--expect", "any"], /leave out --expect/],
    ["requests on connections that close", ["http://host", "-r", "1", "--close-after-response"], /are not held/],
    ["a method of plain TCP", [":1", "--method", "PUT"], /--method requires HTTP/],
    ["a body that cannot be read", ["http://host", "--body", "@/nowhere"], /nowhere cannot be read/],
    ["two paths", ["ws://host/a", "ws://host/b"], /differ in scheme or path/],
  ];
  it.each(mistakes)("says what is wrong with %s", async (_, args, message) => {
    const { code, stderr } = await runCli(["connect", ...args]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
