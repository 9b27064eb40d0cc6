// Tests that every Linux errno has a cause, a side and a fix in every step of opening a connection.
import { getSystemErrorMap } from "node:util";
import { describe, expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { ConnectResult } from "../../src/index.js";
import { connectResult } from "../support/results.js";

type Phase = ConnectResult["failures"][number]["phase"];
type Timing = "at once" | "later" | "unknown";

function explain(phase: Phase, errno: string, timing: Timing = "unknown") {
  const localPath = { failedAtOnce: timing === "at once" ? { [errno]: 400 } : {}, routes: [], rules: [] };
  return explainRun(
    connectResult({
      established: 0,
      failures: [{ phase, errno, count: 400 }],
      evidence: timing === "unknown" ? {} : { localPath },
    }),
  );
}

// Only Linux's own: the map also has those of other systems, and libuv's start far above.
const ERRNOS = [...getSystemErrorMap()].filter(([number]) => number > -134).map(([, [name]]) => name);

describe("an errno", () => {
  it("has an explanation in every step", () => {
    expect(ERRNOS.length).toBeGreaterThan(50);
    for (const errno of ERRNOS) {
      for (const phase of ["socket", "option", "bind", "connect", "register"] as const) {
        for (const timing of ["at once", "later", "unknown"] as const) {
          const { finding, suspects } = explain(phase, errno, timing);
          const found = finding ? [finding] : suspects;
          expect(found.length, `${errno} ${phase} ${timing}`).toBeGreaterThan(0);
          for (const { meaning, fix } of found) {
            expect(meaning).not.toContain("no explanation");
            expect(fix.length).toBeGreaterThan(10);
          }
        }
      }
    }
  });

  it("has commands with the destination's address, if there is only one", () => {
    const failures = [{ phase: "connect" as const, errno: "ENETUNREACH", count: 400 }];
    const fixOf = (...destinations: string[]) =>
      explainRun(connectResult({ established: 0, failures, destinations })).finding?.fix;
    expect(fixOf("10.66.0.1:80", "10.66.0.1:81")).toContain("ip route get 10.66.0.1");
    expect(fixOf("[fd66::1]:80")).toContain("ip route get fd66::1");
    expect(fixOf("10.66.0.1:80", "10.66.0.2:80")).toContain("ip route get ADDRESS");
    const silence = [{ phase: "connect" as const, errno: "ETIMEDOUT", count: 400 }];
    const { suspects } = explainRun(connectResult({ established: 0, failures: silence }));
    expect(suspects.map(({ test }) => test).join()).toMatch(/ping 10\.0\.0\.1 /);
  });

  it("from a socket in a ring is about locked memory, and from any other socket about kernel memory", () => {
    const failures = [{ phase: "socket" as const, errno: "ENOMEM", count: 400 }];
    const limitOf = (name: "epoll" | "uring") =>
      explainRun(connectResult({ established: 0, failures, engine: { name, requested: "auto" } })).finding;
    expect(limitOf("uring")).toMatchObject({
      limit: "memlock",
      whose: "local",
      meaning: expect.stringMatching(/RLIMIT_MEMLOCK/),
    });
    expect(limitOf("epoll")).toMatchObject({ limit: "memory" });
  });

  it.each<[Phase, string, Timing, string, string, RegExp]>([
    ["socket", "EAFNOSUPPORT", "unknown", "address-family", "local", /address family/],
    ["socket", "EPERM", "unknown", "policy", "local", /seccomp/],
    ["option", "ENOPROTOOPT", "unknown", "kernel", "local", /socket option/],
    ["bind", "EINVAL", "unknown", "source-address", "local", /link-local/],
    ["bind", "ENODEV", "unknown", "route", "local", /interface/],
    ["bind", "EPERM", "unknown", "policy", "local", /forbids bind\(\)/],
    ["bind", "EBADF", "unknown", "unexplained", "local", /bug in fourtuple/],
    ["connect", "EINVAL", "at once", "route", "local", /blackhole/],
    ["connect", "EACCES", "at once", "firewall", "local", /security policy/],
    ["connect", "EPERM", "at once", "firewall", "local", /security policy/],
    ["connect", "ENETUNREACH", "at once", "route", "local", /no route/],
    ["connect", "EHOSTUNREACH", "at once", "route", "local", /unreachable/],
    ["connect", "EAGAIN", "at once", "ipsec", "local", /IPsec/],
    ["connect", "EXDEV", "at once", "policy", "local", /forbids connect\(\)/],
    ["connect", "EADDRINUSE", "at once", "source-ports", "local", /4-tuple/],
    ["connect", "ENETUNREACH", "later", "path", "network", /ICMP/],
    ["connect", "EHOSTUNREACH", "later", "route", "network", /answers for that address/],
    ["connect", "EACCES", "later", "path", "network", /administratively prohibited/],
    ["connect", "ENOPROTOOPT", "later", "path", "network", /protocol unreachable/],
    ["connect", "EPROTO", "later", "path", "network", /parameter problem/],
    ["connect", "EHOSTDOWN", "later", "path", "network", /host unknown/],
    ["connect", "ECONNREFUSED", "later", "listener", "peer", /nothing listens/],
    ["connect", "ECONNABORTED", "later", "stop", "local", /ss -K/],
    ["connect", "ENETUNREACH", "unknown", "route", "local", /no route/],
    ["connect", "EACCES", "unknown", "path", "network", /ICMP/],
  ])("%s %s, %s: %s on %s", (phase, errno, timing, limit, whose, meaning) => {
    const { finding } = explain(phase, errno, timing);
    expect(finding).toMatchObject({ limit, whose, meaning: expect.stringMatching(meaning) });
  });

  it("on an open connection that another program aborted is reported as such", () => {
    const losses = [{ phase: "hold" as const, errno: "ECONNABORTED", count: 400 }];
    expect(explainRun(connectResult({ lost: 400, losses })).finding).toMatchObject({
      limit: "stop",
      whose: "local",
    });
  });
});
