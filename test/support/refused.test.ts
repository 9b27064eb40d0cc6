// Tests the launcher that rejects system calls against the kernel, because other tests depend on it.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { type RefusedCall, start } from "./process.js";

// The test tries each call with invalid arguments, so that nothing happens and only the errno
// differs.
const TRY = `
const koffi = require("koffi");
const program = koffi.load(null);
const call = program.func("long syscall(long number, long a, long b, long c)");
const numbers = { x64: [41, 272, 425], arm64: [198, 97, 425] }[process.arch];
const errno = (...args) => (call(...args) < 0 ? koffi.errno() : 0);
const [socket, unshare, setup] = numbers;
const netlink = errno(socket, 16, 99, 0), other = errno(socket, 2, 99, 0);
console.log("errnos", netlink, other, errno(unshare, -1, 0, 0), errno(setup, 0, 0, 0));
setInterval(() => undefined, 1000);
`;
const EPERM = 1;
const EINVAL = 22;

async function errnosOf(refused: readonly RefusedCall[]) {
  const trying = start(process.execPath, ["-e", TRY], { refused, nofile: 1000 });
  const [, text] = await trying.prints(/errnos (.*)\n/);
  const status = readFileSync(`/proc/${trying.pid}/status`, "utf8");
  const limits = readFileSync(`/proc/${trying.pid}/limits`, "utf8");
  return { errnos: text!.split(" ").map(Number), status, limits };
}

it("rejects the named calls, and no others", async () => {
  const [, , , freeSetup] = (await errnosOf([])).errnos;
  const { errnos, status, limits } = await errnosOf(["netlink", "unshare"]);
  expect(errnos).toEqual([EPERM, EINVAL, EPERM, freeSetup]);
  expect(freeSetup).not.toBe(0);
  expect((await errnosOf(["io_uring_setup"])).errnos[3]).toBe(EPERM);
  // The process that was started is the program itself, so signals reach it.
  expect(status).toMatch(/^Seccomp:\s2$/m);
  expect(limits).toMatch(/Max open files +1000 /);
});

it("passes on the exit code, and reports unknown calls", async () => {
  expect(await start("bash", ["-c", "exit 7"], { refused: ["netlink"] }).exited()).toMatchObject({ code: 7 });
  const unknown = start("true", [], { refused: ["reboot" as RefusedCall] });
  expect((await unknown.exited()).stderr).toContain("no number is known of the system call reboot");
});
