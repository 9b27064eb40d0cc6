// Tests both sides of HTTP with streams that are altered and split at random: whole, in pieces and byte by byte, the
// outcome is the same.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chunks, message, request, response } from "../../support/http.js";
import { CHUNKED, receive, SLOT, serve } from "../../support/http-sides.js";

describe("random input, however it is split", () => {
  const parts = fc.array(
    fc.oneof(
      fc.constantFrom(
        request(),
        request("body"),
        request("", CHUNKED),
        response("body"),
        message("HTTP/1.1 200 OK", CHUNKED),
        message("HTTP/1.1 100 Continue"),
        chunks("one", "two"),
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        "\r\n",
        "HTTP/1.1 ",
        "GET / HTTP/1.1\r\n",
        "Content-Length: 7\r\n",
      ),
      fc.string({ maxLength: 10 }),
    ),
    { maxLength: 10 },
  );
  /** Alters, drops or repeats some bytes. */
  const faults = fc.array(fc.tuple(fc.nat(400), fc.constantFrom("change", "drop", "double"), fc.nat(255)), {
    maxLength: 3,
  });
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
  const RUNS = { numRuns: Number(process.env.HTTP_FUZZ_RUNS ?? 3000) };

  function mutate(text: string, wrong: readonly (readonly [number, string, number])[]): string {
    const bytes = [...text];
    for (const [at, how, byte] of wrong) {
      if (bytes.length === 0) break;
      const place = at % bytes.length;
      if (how === "change") bytes[place] = String.fromCharCode(byte);
      else bytes.splice(place, how === "drop" ? 1 : 0, ...(how === "drop" ? [] : [bytes[place]!]));
    }
    return bytes.join("");
  }

  it.each(["hello", "echo"] as const)("has the same result on a server in mode %s", (mode) => {
    fc.assert(
      fc.property(parts, faults, cuts, (texts, wrong, sizes) => {
        const stream = mutate(texts.join(""), wrong);
        const whole = serve(stream, { mode }).said;
        expect(serve(stream, { mode }, [1]).said).toEqual(whole);
        expect(serve(stream, { mode }, sizes).said).toEqual(whole);
      }),
      RUNS,
    );
  });

  it("has the same result on a client", () => {
    fc.assert(
      fc.property(parts, faults, cuts, fc.nat(1), (texts, wrong, sizes, messages) => {
        const stream = mutate(response("first") + texts.join(""), wrong);
        const [whole, byByte, cut] = [[2 ** 20], [1], sizes].map((each) => {
          const { client, host, said } = receive(stream, {}, messages, each);
          return { said, content: host.content[SLOT], end: host.hasEnded(SLOT) || client.peerClosed(SLOT) };
        });
        expect(byByte).toEqual(whole);
        expect(cut).toEqual(whole);
      }),
      RUNS,
    );
  });
});
