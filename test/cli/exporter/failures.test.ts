// Tests that an exporter reports each failure once, and stops remembering failures whose texts keep changing.
import { expect, it } from "vitest";
import { isNews } from "../../../src/cli/exporter/run.js";

it("20 failures are reported and remembered, each once", () => {
  const reported = new Set<string>();
  const news = Array.from({ length: 1000 }, (_, n) => [isNews(reported, `${n}`), isNews(reported, `${n}`)]).flat();
  expect(news.filter(Boolean)).toHaveLength(20);
  expect(reported.size).toBe(20);
});
