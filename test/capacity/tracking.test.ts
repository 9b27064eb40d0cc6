// Tests detection of connection tracking with real rules in a namespace, including rules that exempt one port.
import { execFileSync } from "node:child_process";
import { beforeEach, describe, expect, it } from "vitest";
import { findTracking } from "../../src/capacity/tracking-probe.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { hasProgram } from "../support/process.js";
import { listenRaw } from "../support/raw-sockets.js";

const PORT = 7777;

describe.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("connection tracking", () => {
  beforeEach(() => enterNamespace());
  const addRules = (hook: string, rule: string) => {
    const name = hook.replace(/\W/g, "");
    execFileSync("nft", [`table inet ${name} { chain c { type filter hook ${hook}; policy accept; ${rule}; }; }`]);
  };

  it("is off until a rule requires it", () => {
    expect(findTracking(PORT).isTracked).toBe(false);
    addRules("input priority 0", "ct state new accept");
    expect(findTracking(PORT)).toEqual({ isTracked: true, isOfPort: true });
    // Again, now that the table has entries.
    expect(findTracking(undefined)).toEqual({ isTracked: true, isOfPort: true });
  });

  it("is off for a port that rules exempt", () => {
    addRules("input priority 0", "ct state new accept");
    for (const hook of ["output priority -300", "prerouting priority -300"]) {
      addRules(hook, `tcp dport ${PORT} notrack; tcp sport ${PORT} notrack`);
    }
    expect(findTracking(PORT + 1).isTracked).toBe(true);
    expect(findTracking(PORT)).toEqual({ isTracked: false, isOfPort: true });
  });

  it("is tested on another port if a service listens on this one at all addresses", () => {
    addRules("input priority 0", "ct state new accept");
    listenRaw("0.0.0.0", PORT);
    expect(findTracking(PORT)).toEqual({ isTracked: true, isOfPort: false });
  });
});
