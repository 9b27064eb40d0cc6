// Tests that a hang-up does not end what nohup or a shell protects from it.
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { ownAddress } from "../support/address.js";
import { CLI_FILE, start } from "../support/process.js";

describe("a hang-up", () => {
  it.each([
    ["under nohup", 'nohup "$0" "$@" 2>&1'],
    // The single executable does not have the launcher that this needs.
    ...(process.env.TEST_EXECUTABLE
      ? []
      : [["of the program itself under nohup", '_= exec nohup "$1" serve "$3" 2>&1']]),
    ["of a shell that ignores it", 'trap "" HUP; "$0" "$@" & wait'],
  ])("%s is ignored", async (_, line) => {
    const shell = start("bash", ["-c", line, process.execPath, CLI_FILE, "serve", `${ownAddress()}:0`]);
    const [, host, port] = await shell.prints(/listening on ([\d.]+):(\d+)/);
    const children = readFileSync(`/proc/${shell.pid}/task/${shell.pid}/children`, "utf8").trim();
    const pid = children === "" ? shell.pid : Number(children);
    process.kill(pid, "SIGHUP");
    process.kill(pid, "SIGUSR1");
    process.kill(pid, "SIGHUP");
    // A server that was ending would no longer send greetings.
    for (let n = 0; n < 30; n++) {
      const client = connect({ host: host!, port: Number(port) });
      await once(client, "data");
      client.destroy();
    }
    // The server has processed the earlier signals by now.
    process.kill(pid, "SIGTERM");
    const { stdout } = await shell.exited();
    expect(stdout).toMatch(/stopped after/);
    expect(existsSync("nohup.out")).toBe(false);
  });
});
