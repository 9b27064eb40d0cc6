// Tests a client's progress as text.
import { describe, expect, it } from "vitest";
import type { ConnectSnapshot } from "../../../src/client/snapshot.js";
import { widthOf } from "../../../src/output/terminal/columns.js";
import { plain } from "../../../src/output/terminal/paint.js";
import { connectLine, connectPanel } from "../../../src/output/text/connect-progress.js";
import { sparkline, Trend } from "../../../src/output/text/sparkline.js";

const snapshot = (some: Partial<ConnectSnapshot>): ConnectSnapshot =>
  ({
    ...{ stage: "ramp", elapsedMs: 2000, requested: 20_000, wanted: 20_000, established: 0, open: 0, inFlight: 0 },
    ...{ secured: 0, ready: 0, failed: 0, lost: 0, sentMessages: 0, answeredMessages: 0, leftMs: undefined },
    ...some,
  }) as ConnectSnapshot;

it("counts open connections", () => {
  const progress = { snapshot: snapshot({ established: 5000, open: 5000 }), ratePerSec: 2500, isShortLived: false };
  expect(connectLine(progress)).toContain("open 5,000 of 20,000   rate 2,500/s");
  expect(connectPanel(progress)).toMatch(/^█{7}░{23} {3}25% {2}5,000 of 20,000 open$/m);
});

it("begins a line with the time since the start, which is not that of the stage", () => {
  const held = snapshot({ stage: "hold", elapsedMs: 61_000, open: 20_000, leftMs: 29_000 });
  const line = connectLine({ snapshot: held, ratePerSec: 0, isShortLived: false });
  expect(line).toBe("61 s   holding   open 20,000 of 20,000   failed 0   29 s left");
});

it("counts short-lived connections as they are opened, because few are open at once", () => {
  const progress = { snapshot: snapshot({ established: 10_000, open: 137 }), ratePerSec: 5000, isShortLived: true };
  expect(connectLine(progress)).toContain("opened 10,000 of 20,000   rate 5,000/s");
  expect(connectPanel(progress)).toMatch(/^█{15}░{15} {3}50% {2}10,000 of 20,000 opened$/m);
});

it("shows what a pool sends, and how often its connections were reopened", () => {
  const counts = {
    sentMessages: 2000,
    answeredMessages: 1990,
    reopenedAnnounced: 30,
    reopenedIdle: 3,
    reopenedCutShort: 1,
  };
  const sent = { ...counts, stage: "hold" as const, requestedMessages: 5000 };
  const progress = { snapshot: snapshot(sent), ratePerSec: 0, isShortLived: false, messageNoun: "requests" as const };
  expect(connectLine(progress)).toContain("reopened 34   requests 2,000 sent, 1,990 answered   3,010 to go");
  expect(connectPanel(progress)).toContain("reopened 34   requests 2,000 sent, 1,990 answered");
});

it("names the most frequent causes of failures", () => {
  const failures = ["ECONNREFUSED", "ETIMEDOUT", "FIN", "EPIPE", "ECONNRESET"].map((cause, n) => ({
    ...{ phase: n < 2 ? "connect" : "hold", cause, count: 5000 - 1000 * n },
  }));
  const progress = { snapshot: snapshot({ failed: 9000, lost: 6000 }), ratePerSec: 0, isShortLived: false, failures };
  const text = "failures: 5,000 ECONNREFUSED (connect), 4,000 ETIMEDOUT (connect), 3,000 FIN (hold), 3,000 others";
  expect(connectLine(progress)).toContain(`failed 9,000   lost 6,000   ${text}`);
  expect(connectPanel(progress).split("\n")).toContain(text);
  expect(connectPanel({ ...progress, failures: [] })).not.toContain("failures");
});

describe("the panel", () => {
  const progress = (some: Partial<ConnectSnapshot> = {}) => ({
    ...{ snapshot: snapshot({ established: 5000, open: 5000, inFlight: 9, ...some }), ratePerSec: 2500 },
    ...{ isShortLived: false, rates: [0, 500, 1000, 2500], binding: { name: "MemAvailable", connections: 13_280 } },
  });
  const at = (columns: number) => Object.assign(plain.bind(undefined), { columns });

  it("shows the rates so far, and warns of a limit that comes before all are open", () => {
    const [, figures, , limit] = connectPanel(progress()).split("\n");
    expect(figures).toBe("▁▂▄█   rate 2,500/s   in flight 9   failed 0");
    expect(limit).toBe("next limit: MemAvailable, at about 13,000 connections");
    const tone = (requested: number) => {
      let found = "";
      connectPanel(progress({ requested }), (painted, text) => {
        if (text.startsWith("next limit")) found = painted;
        return text;
      });
      return found;
    };
    expect(tone(20_000)).toBe("bad");
    expect(tone(10_000)).toBe("dim");
    expect(connectPanel(progress({ stage: "close" }))).not.toContain("next limit");
  });

  it.each([40, 60, 80, 120, 200])("has a bar for %d columns", (columns) => {
    for (const requested of [10_000, 2_000_000]) {
      const [bar, words] = connectPanel(progress({ requested }), at(columns)).split("\n");
      expect(widthOf(bar!)).toBeLessThanOrEqual(columns);
      expect(bar).toMatch(/^[█░]{10,60}(?: |$)/);
      expect(`${bar}\n${words}`).toContain(`of ${requested.toLocaleString("en-US")} open`);
    }
  });
});

it("a trend keeps the shape of a long series in a few values", () => {
  const trend = new Trend();
  for (let value = 0; value < 1000; value++) {
    trend.add(value);
    expect(trend.values.length).toBeLessThan(24);
  }
  expect(trend.values.length).toBeGreaterThanOrEqual(12);
  expect(trend.values).toEqual(trend.values.toSorted((a, b) => a - b));
  expect(sparkline(trend.values)).toMatch(/^▁[▁-█]+█$/);
  expect(sparkline([0, 0])).toBe("▁▁");
});

describe("of a protocol", () => {
  const summary = (count: number, p99Us: number) => ({
    ...{ count, minUs: 1, meanUs: 1, p50Us: 1, p90Us: 1, p99Us, p999Us: p99Us, maxUs: p99Us },
  });
  const latency = {
    connect: summary(9, 1500),
    tls: summary(9, 40_000),
    handshake: summary(9, 3000),
    firstByte: summary(0, 0),
    roundTrip: summary(0, 0),
  };
  const phases = (isSecure: boolean) => ({ isSecure, protocol: "ws" as const });
  const counts = { established: 5000, secured: 4000, ready: 3000, open: 3000 };
  const progressOf = (some: Partial<ConnectSnapshot>, isSecure = true) => ({
    ...{
      snapshot: snapshot({ ...counts, ...some }),
      ratePerSec: 1,
      isShortLived: false,
      phases: phases(isSecure),
      latency,
    },
  });

  it("counts the connections in each phase, and shows each phase's latency", () => {
    const panel = connectPanel(progressOf({}));
    expect(panel).toMatch(/^█{4}░{26} {3}15% {2}3,000 of 20,000 open$/m);
    expect(panel).toContain("   ESTABLISHED 5,000   TLS 4,000   ready 3,000   failed 0");
    expect(panel.split("\n").at(-1)).toBe("p99   connect 1.50 ms   TLS handshake 40 ms   upgrade 3 ms");
    expect(connectLine(progressOf({}, false))).toContain("   ESTABLISHED 5,000   ready 3,000   failed 0");
  });

  it("counts them during the hold only while some are not ready", () => {
    expect(connectPanel(progressOf({ stage: "hold" }))).toContain("ready 3,000");
    expect(connectPanel(progressOf({ stage: "hold", ready: 5000 }))).not.toContain("ready");
  });
});
