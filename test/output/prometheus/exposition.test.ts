// Tests the text of metric families in both formats.
import { expect, it } from "vitest";
import { escapeLabel, exposition } from "../../../src/output/prometheus/exposition.js";
import { counter, type Family, gauge, histogram, only } from "../../../src/output/prometheus/families.js";

const SENT: Family = { name: "a_sent_bytes", ...counter("Bytes sent."), samples: only(3) };
const TIMED: Family = {
  name: "a_wait_seconds",
  ...histogram("Waiting.", "kind"),
  samples: [[{ kind: "x" }, { upTo: [[0.5, 2]], count: 3, sum: 2.25 }]],
};

it("label values are escaped as in OpenMetrics", () => {
  expect(escapeLabel('a"b\\c\nd')).toBe('a\\"b\\\\c\\nd');
  expect(escapeLabel("fe80::1%eth0")).toBe("fe80::1%eth0");
});

it("the family of a counter has no _total in OpenMetrics, but a unit", () => {
  expect(exposition([SENT], "openmetrics")).toBe(
    "# TYPE a_sent_bytes counter\n# UNIT a_sent_bytes bytes\n# HELP a_sent_bytes Bytes sent.\na_sent_bytes_total 3\n# EOF\n",
  );
  expect(exposition([SENT], "text")).toBe(
    "# TYPE a_sent_bytes_total counter\n# HELP a_sent_bytes_total Bytes sent.\na_sent_bytes_total 3\n",
  );
});

it("a histogram has its buckets, the last one without a bound", () => {
  expect(exposition([TIMED], "text").split("\n").slice(2)).toEqual([
    'a_wait_seconds_bucket{kind="x",le="0.5"} 2',
    'a_wait_seconds_bucket{kind="x",le="+Inf"} 3',
    'a_wait_seconds_sum{kind="x"} 2.25',
    'a_wait_seconds_count{kind="x"} 3',
    "",
  ]);
});

it("no limit is +Inf, and a family without values is left out", () => {
  const family = { name: "a_limit", ...gauge("Limit.") };
  expect(exposition([{ ...family, samples: only(Number.POSITIVE_INFINITY) }], "text")).toMatch(/^a_limit \+Inf$/m);
  expect(exposition([{ ...family, samples: only(undefined) }], "text")).toBe("");
});
