// Tests which requests the live page answers.
import { describe, expect, it } from "vitest";
import { refusalOf } from "../../../src/output/http/refusal.js";
import { hasToken } from "../../../src/output/live/access.js";

const HOST = "127.0.0.1:9475";
const OTHER_SITE = "requests from other sites are refused";

describe("the host of a request", () => {
  it.each([HOST, "localhost:9475", "LOCALHOST", "[::1]:9475", "10.1.2.3:80"])("may be %s", (host) => {
    expect(refusalOf({ host })).toBeUndefined();
  });

  it.each(["evil.example:9475", "127.0.0.1.evil.example", "localhost.evil.example:9475", "[::1].evil", ""])(
    "may not be %j, which anyone may point to this host",
    (host) => {
      expect(refusalOf({ host })).toBe("use an address such as 127.0.0.1 instead of a name");
    },
  );
});

describe("requests from another site", () => {
  it.each([
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: "https://127.0.0.1:9475" },
    { origin: "http://127.0.0.1:80" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site", "sec-fetch-mode": "cors" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
  ])("are refused: %o", (headers) => {
    expect(refusalOf({ host: HOST, ...headers })).toBe(OTHER_SITE);
  });

  it.each([
    { origin: `http://${HOST}` },
    { "sec-fetch-site": "same-origin" },
    { "sec-fetch-site": "none" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
  ])("differ from those of the page, and from a visit: %o", (headers) => {
    expect(refusalOf({ host: HOST, ...headers })).toBeUndefined();
  });
});

it("a token must be the right one", () => {
  expect(hasToken({ "x-fourtuple-token": "abc" }, "abc")).toBe(true);
  expect(hasToken({ "x-fourtuple-token": "abd" }, "abc")).toBe(false);
  expect(hasToken({ "x-fourtuple-token": "" }, "abc")).toBe(false);
  expect(hasToken({}, "abc")).toBe(false);
});
