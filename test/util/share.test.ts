import fc from "fast-check";
import { expect, it } from "vitest";
import { exactShare } from "../../src/util/share.js";

it("distributes everything, in shares that differ by at most one, the larger first", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), fc.integer({ min: 1, max: 300 }), (total, parts) => {
      const shares = Array.from({ length: parts }, (_, index) => exactShare(total, parts, index));
      expect(shares.reduce((sum, share) => sum + share, 0)).toBe(total);
      expect(shares[0]! - shares.at(-1)!).toBeLessThanOrEqual(1);
      expect([...shares].sort((a, b) => b - a)).toEqual(shares);
    }),
  );
});

it("gives 4, 3, 3 for 10 over 3, not 9 in total", () => {
  expect([0, 1, 2].map((index) => exactShare(10, 3, index))).toEqual([4, 3, 3]);
});
