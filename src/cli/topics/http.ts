// HTTP options on the command line: `fourtuple connect --help http`.
import { readFileSync } from "node:fs";
import { Option } from "commander";
import { AppError } from "../../util/errors.js";
import { notReadable } from "../files/file-error.js";
import { durationFor, sizeFor } from "../parse.js";
import type { Topic } from "./topic.js";

const body = (words: string) => new Option("--body <text|@file>", words).argParser(readBody);
const duration = (flag: string, words: string) => new Option(`${flag} <duration>`, words).argParser(durationFor(flag));

/**
 * @param header creates the `--header` option with this text
 * @param handshakeTimeout `--handshake-timeout`
 */
export function httpTopic(header: (words: string) => Option, handshakeTimeout: () => Option): Topic {
  return {
    options: (role) => [
      ...(role === "connect"
        ? [
            new Option("--method <name>", "request method (default: GET, or POST with a body)"),
            header("add a header to each request; repeatable"),
            body("request body, or the file to read it from"),
            new Option("--close-after-response", "close each connection after its first response"),
            new Option("--no-reopen", "report a connection that the server closes as lost, instead of reopening it"),
            duration(
              "--response-timeout",
              "report a connection as lost if a response takes longer (default: no limit)",
            ),
          ]
        : [
            body("response body, or the file to read it from (default: the greeting)"),
            header("add a header to each response; repeatable"),
            new Option("--status <code>", "status of each response (default: 200)").argParser(Number),
            duration("--event-interval", "answer with server-sent events: send the body this often"),
            duration("--delay", "delay each response by this long (long polling)"),
            new Option("--max-message-size <size>", "longest request body to accept (default: 1 MiB)").argParser(
              sizeFor("--max-message-size"),
            ),
          ]),
      handshakeTimeout(),
    ],
    examples: {
      connect: `
Examples:
  fourtuple connect http://:8080/ -c 10k                          one request each, then hold the connections
  fourtuple connect https://host/api -c 100 -r 50 -T 30s          50 requests/s on each of 100 connections
  fourtuple connect https://host/api -c 100 -n 50k                50,000 requests, each after the previous answer
  fourtuple connect http://host/api -c 10 -r 1 --body @order.json -H 'Content-Type: application/json'
  fourtuple connect http://host/ -c 10k --close-after-response    a new connection for every request`,
      serve: `
Examples:
  fourtuple serve http://:8080 --body 'hello'          answer every request with hello
  fourtuple serve http://:8080 --mode echo             answer with the request's body
  fourtuple serve http://:8080/events --event-interval 5s
  fourtuple serve http://:8080 --status 503 -H 'Retry-After: 5'
  fourtuple serve https://0.0.0.0:8443 --delay 30s     self-signed; answer after 30 s`,
    },
  };
}

/** Returns the text, or, if it begins with `@`, the contents of the file it names. */
function readBody(text: string): string | Uint8Array {
  if (!text.startsWith("@")) return text;
  const file = text.slice(1);
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new AppError("E_OPTION", notReadable(file, cause).message, {
      fix: "use the text itself, or a file that you may read",
      cause,
    });
  }
}
