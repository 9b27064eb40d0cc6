// Tests that label values are escaped in metrics.
import { expect, it } from "vitest";
import { escapeLabel } from "../../../src/output/prometheus/ports.js";

it("label values are escaped as in OpenMetrics", () => {
  expect(escapeLabel('a"b\\c\nd')).toBe('a\\"b\\\\c\\nd');
  expect(escapeLabel("fe80::1%eth0")).toBe("fe80::1%eth0");
});
