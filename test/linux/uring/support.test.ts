// Tests detection of io_uring: refused altogether, and without one of its operations.
import { afterEach, describe, expect, it } from "vitest";
import { EMFILE, ENOSYS, EPERM } from "../../../src/linux/syscalls/errno.js";
import { lastErrno, libc, nativeView } from "../../../src/linux/syscalls/libc.js";
import { OP, PROBE, REGISTER, SYS_IO_URING } from "../../../src/linux/uring/abi.js";
import { uringObstacle } from "../../../src/linux/uring/support.js";
import { listDescriptors } from "../../support/kernel.js";
import { ROOT } from "../../support/library.js";
import { start } from "../../support/process.js";
import { hasUring } from "../../support/ring.js";

const calls = libc as { syscall: (...args: number[]) => number };
const real = calls.syscall;
afterEach(() => {
  calls.syscall = real;
});

const ringsOpen = () => listDescriptors().filter((target) => target === "anon_inode:[io_uring]").length;

it("reports the errno if a container's filter blocks io_uring", async () => {
  const module = JSON.stringify(`${ROOT}dist/linux/uring/support.js`);
  const program = `import(${module}).then(({ uringObstacle }) => console.log(JSON.stringify(uringObstacle())))`;
  const { stdout } = await start(process.execPath, ["-e", program], { refused: ["io_uring_setup"] }).exited();
  expect(JSON.parse(stdout)).toEqual({ kind: "setup", errno: EPERM });
});

it.each([ENOSYS, EMFILE])("reports errno %d of io_uring_setup", (errno) => {
  calls.syscall = () => {
    lastErrno(errno);
    return -1;
  };
  expect(uringObstacle()).toEqual({ kind: "setup", errno });
});

describe.skipIf(!hasUring)("a kernel", () => {
  it.each(Object.entries(OP))("without %s is reported by that name", (name, opcode) => {
    calls.syscall = (...args) => {
      const result = real(...args);
      if (args[0] === SYS_IO_URING.register && args[2] === REGISTER.probe) {
        const [place, length] = [PROBE.bytes + opcode * PROBE.opBytes + PROBE.opFlags, 2];
        new Uint16Array(nativeView(args[3]! + place, length))[0] = 0;
      }
      return result;
    };
    expect(uringObstacle()).toEqual({ kind: "operations", missing: [name] });
  });

  it("that blocks entering or probing a ring is reported with the errno", () => {
    for (const blocked of [SYS_IO_URING.enter, SYS_IO_URING.register]) {
      calls.syscall = (...args) => {
        if (args[0] !== blocked) return real(...args);
        lastErrno(EPERM);
        return -1;
      };
      expect(uringObstacle()).toEqual({ kind: "setup", errno: EPERM });
    }
  });

  it("with all operations is left without the ring that tested them", () => {
    const before = ringsOpen();
    expect(uringObstacle()).toBeUndefined();
    expect(ringsOpen()).toBe(before);
  });
});
