import { expect, it } from "vitest";
import { assertSupported, bindingFailed } from "../../../src/linux/syscalls/platform.js";
import { AppError } from "../../../src/util/errors.js";

it.each([
  ["darwin", "arm64"],
  ["darwin", "x64"],
  ["win32", "x64"],
  ["freebsd", "x64"],
  ["linux", "ia32"],
  ["linux", "arm"],
  ["linux", "riscv64"],
])("rejects %s on %s with a list of what is supported", (platform, arch) => {
  try {
    assertSupported(platform, arch);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: "E_PLATFORM", facts: { platform, arch } });
    expect((error as AppError).message).toContain(`${platform} ${arch}`);
    expect((error as AppError).fix).toMatch(/Linux on x64 or arm64.*Node 20\.19/);
    return;
  }
  throw new Error("it was not refused");
});

it.each(["x64", "arm64"])("runs on Linux %s", (arch) => {
  expect(assertSupported("linux", arch)).toBeUndefined();
});

it("keeps the cause if koffi does not load", () => {
  const cause = new Error("no such file");
  expect(bindingFailed(cause)).toMatchObject({ code: "E_PLATFORM", cause });
  expect(bindingFailed(cause).fix).toMatch(/Linux/);
});
