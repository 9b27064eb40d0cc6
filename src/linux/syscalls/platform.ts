// Rejects unsupported platforms at startup with a clear message.
import { AppError } from "../../util/errors.js";

const SUPPORTED = "Linux on x64 or arm64 (glibc or musl) with Node 20.19 or newer";

/** @throws {AppError} E_PLATFORM when the operating system, the processor or Node's version is not supported */
export function assertSupported(
  platform: string = process.platform,
  arch: string = process.arch,
  node: string = process.versions.node,
): void {
  const [major, minor] = node.split(".").map(Number) as [number, number];
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new AppError("E_PLATFORM", `fourtuple does not run on Node ${node}`, {
      fix: `install a newer Node; fourtuple supports ${SUPPORTED}`,
      facts: { node },
    });
  }
  if (platform === "linux" && (arch === "x64" || arch === "arm64")) return;
  throw new AppError("E_PLATFORM", `fourtuple does not run on ${platform} ${arch}`, {
    fix: `use ${SUPPORTED}; a virtual machine or container with Linux works`,
    facts: { platform, arch },
  });
}

/** Creates the error that reports a failure to load koffi. */
export function bindingFailed(cause: unknown): AppError {
  return new AppError("E_PLATFORM", "system calls are unavailable: koffi did not load", {
    fix: `fourtuple supports ${SUPPORTED}; reinstall without --omit=optional, which leaves out koffi's binary`,
    cause,
  });
}
