// Converts a call's message options to the part of a RunSpec that says what connections send and what counts as an
// answer.

import { MAX_DELIMITER_BYTES } from "../protocols/answer-end.js";
import { makeRequest } from "../protocols/http/response.js";
import { EXPECTATIONS } from "../protocols/modes.js";
import { parseAddress, SCHEMES } from "../protocols/spec/address.js";
import { answerOf, type MqttOptions, stampedPayload } from "../protocols/spec/mqtt.js";
import type { HttpSpec, MqttSpec, ScriptedSpec } from "../protocols/spec/spec.js";
import { AppError } from "../util/errors.js";
import type { AnswerSpec, MessageSpec, OpeningSpec } from "./run-spec.js";

export interface MessageOptions {
  /**
   * Message to send on every connection at `messageRatePerSec`. Over plain TCP and TLS, `%i` in this and in
   * `firstMessage` is the connection's number, and `%%i` is the text `%i`.
   */
  readonly message?: string | Uint8Array | undefined;
  /** Messages per second on each connection, fractions allowed; default 1. */
  readonly messageRatePerSec?: number | undefined;
  /**
   * Total number of messages or HTTP requests, in equal shares for all connections. The run ends once all of them have
   * been answered, or after `durationMs`, which is then unlimited by default. Without `messageRatePerSec`, each
   * connection sends its next message as soon as the previous one is answered.
   */
  readonly requests?: number | undefined;
  /** What counts as an answer to a message; default `echo`. A run with unanswered messages misses its target. */
  readonly expect?: ExpectOption | undefined;
  /**
   * Plain TCP and TLS: message sent once on every connection before it is ready. With `expect` or a `message`, the
   * connection is ready once this first message has been answered in the same way.
   */
  readonly firstMessage?: string | Uint8Array | undefined;
  /**
   * Plain TCP and TLS: whether to wait for the server's greeting before sending anything. The greeting ends with the
   * first bytes read or, with `expect: { until }`, where an answer would. Default false.
   */
  readonly awaitGreeting?: boolean | undefined;
}

/**
 * What counts as an answer: the same bytes (`echo`), any bytes, nothing (`none`), everything up to and including a
 * delimiter, or a number of bytes.
 */
export type ExpectOption =
  | (typeof EXPECTATIONS)[number]
  | { readonly until: string | Uint8Array }
  | { readonly bytes: number };

/** @throws {AppError} E_OPTION */
export function parseMessages(options: MessageOptions & Pick<MqttOptions, "publish">): {
  message: MessageSpec | undefined;
  opening: OpeningSpec | undefined;
} {
  const { message, messageRatePerSec, expect, firstMessage, awaitGreeting = false } = options;
  const hasMessage = message !== undefined;
  // If no payload is given, MQTT publishes a generated one.
  const sends = hasMessage || options.publish !== undefined;
  if (messageRatePerSec !== undefined && !sends) {
    throw invalid("a message rate requires a message", "add -m ping, or omit -r");
  }
  if (expect !== undefined && !sends && firstMessage === undefined) {
    throw invalid("an expected answer requires a message", "add -m ping, or omit --expect");
  }
  if (message?.length === 0) throw invalid("the message is empty", "give it at least one byte, such as -m ping");
  if (firstMessage?.length === 0) {
    throw invalid("the first message is empty", "give it at least one byte, or omit --first-message");
  }
  const answer = parseExpect(expect ?? (hasMessage ? "echo" : "none"));
  return {
    message: hasMessage ? { base64: toBase64(message), ratePerSec: rateOf(options), ...answer } : undefined,
    opening:
      firstMessage !== undefined || awaitGreeting
        ? { awaitsGreeting: awaitGreeting, base64: firstMessage && toBase64(firstMessage), ...answer }
        : undefined,
  };
}

/**
 * Returns what MQTT clients publish: the given payload, or one with a timestamp.
 * @throws {AppError} E_OPTION
 */
export function parsePublication(options: MessageOptions & MqttOptions, spec: MqttSpec): MessageSpec | undefined {
  const { message, expect } = options;
  if (!spec.publish) return undefined;
  if (expect !== undefined && expect !== "none") {
    throw invalid(
      "in MQTT, the topics and --qos determine what answers a message",
      "omit --expect, or use --expect none",
    );
  }
  const payload = message ?? stampedPayload(options.messageBytes);
  return { base64: toBase64(payload), ratePerSec: rateOf(options), expect: expect ?? answerOf(spec) };
}

/** Returns the message rate of a connection; undefined if each message follows the previous answer. */
function rateOf({ messageRatePerSec, requests }: MessageOptions): number | undefined {
  return messageRatePerSec ?? (requests === undefined ? 1 : undefined);
}

/**
 * Checks the number of messages.
 *
 * @param message the message that connections send, if any
 * @throws {AppError} E_OPTION
 */
export function checkRequests(
  { requests, stages = [] }: RequestOptions,
  connections: number,
  message: MessageSpec | undefined,
  isHttp: boolean,
): void {
  if (requests === undefined) return;
  if (message === undefined) throw invalid("a number of messages requires a message", "add -m ping, or omit -n");
  if (stages.length > 0) {
    throw invalid("a number of messages cannot be combined with stages", "omit -n, or use -c instead of --stage");
  }
  if (isHttp && requests < connections) {
    throw invalid(
      `${requests} requests are too few for ${connections} connections`,
      "each connection sends at least one: lower -c, or raise -n",
    );
  }
  if (message.ratePerSec === undefined && message.expect === "none") {
    throw invalid("messages without answers need a rate", "add a rate, such as -r 10");
  }
}

/**
 * Finds an option that applies only to a plain byte stream.
 * @returns its name on the command line
 */
export function findStreamOption({ expect, firstMessage, awaitGreeting }: MessageOptions): string | undefined {
  if (firstMessage !== undefined) return "--first-message";
  if (awaitGreeting) return "--await-greeting";
  if (typeof expect !== "object") return undefined;
  return "until" in expect ? "--expect-until" : "--expect-bytes";
}

/**
 * Returns whether the first destination has the scheme http or https.
 * @throws {AppError} E_ADDRESS
 */
export function speaksHttp(to: string | readonly string[]): boolean {
  const { scheme } = parseAddress(typeof to === "string" ? to : to[0]!);
  return SCHEMES[scheme].protocol === "http";
}

/**
 * Returns the schedule of a script's messages; undefined if it sends none. The content of the messages is up to the
 * script.
 *
 * @throws {AppError} E_OPTION for an option that specifies the messages' content
 */
export function parseScripted(spec: ScriptedSpec, options: MessageOptions): MessageSpec | undefined {
  const { message, messageRatePerSec, expect } = options;
  const other = findStreamOption(options) ?? (message !== undefined ? "-m" : expect && "--expect");
  if (other !== undefined) {
    throw invalid(`the protocol file says what is sent and what answers it, not ${other}`, `omit ${other}`);
  }
  if (!spec.sends && messageRatePerSec !== undefined) {
    throw invalid("a message rate requires a client with a due() handler", "add due(c) { … }, or omit -r");
  }
  if (!spec.sends) return undefined;
  return { base64: "", ratePerSec: rateOf(options), expect: spec.isAnswered ? "handler" : "none" };
}

/** The options that affect the requests of an HTTP run. */
interface RequestOptions extends MessageOptions {
  readonly maxMessageBytes?: number | undefined;
  readonly stages?: readonly unknown[] | undefined;
}

/**
 * Returns the requests of a run; undefined if each connection sends only one.
 *
 * @throws {AppError} E_OPTION for an option that does not apply to HTTP
 */
export function parseRequests(spec: HttpSpec, options: RequestOptions): MessageSpec | undefined {
  const { message, expect, messageRatePerSec, requests, maxMessageBytes, stages = [] } = options;
  if (message !== undefined) throw invalid("a request has a body rather than a message", "set the body with --body");
  const other = findStreamOption(options) ?? (expect === undefined ? undefined : "--expect");
  if (other !== undefined) throw invalid("the answer to a request is its response", `omit ${other}`);
  if (maxMessageBytes !== undefined) throw invalid("the size of responses is not limited", "omit --max-message-size");
  if (spec.closesAnswered && (messageRatePerSec !== undefined || requests !== undefined || stages.length > 0)) {
    throw invalid(
      "connections that close after their response are not held",
      "omit the rate (-r), the number of requests (-n) and the stages, or --close-after-response",
    );
  }
  if (messageRatePerSec === undefined && requests === undefined) return undefined;
  return { base64: toBase64(makeRequest(spec)), ratePerSec: messageRatePerSec, expect: "any" };
}

function parseExpect(expect: ExpectOption): AnswerSpec {
  if (typeof expect === "string") {
    if (!EXPECTATIONS.includes(expect)) {
      throw invalid(`unknown kind of answer: ${JSON.stringify(expect)}`, `expect ${EXPECTATIONS.join(", ")}`);
    }
    return { expect };
  }
  if ("until" in expect) {
    const delimiter = Buffer.from(expect.until as Uint8Array);
    if (delimiter.length === 0 || delimiter.length > MAX_DELIMITER_BYTES) {
      throw invalid(
        `invalid answer delimiter: ${delimiter.length} bytes`,
        `use 1 to ${MAX_DELIMITER_BYTES} bytes, such as --expect-until '\\n'`,
      );
    }
    return { expect: "until", delimiter: delimiter.toString("base64") };
  }
  const { bytes } = expect;
  if (!Number.isInteger(bytes) || bytes < 1 || bytes >= 2 ** 32) {
    throw invalid(`invalid answer length: ${bytes}`, "use a whole number of bytes, 1 or more");
  }
  return { expect: "bytes", answerBytes: bytes };
}

/** Returns whether a connection must hear from the peer before it is ready. */
export function awaitsPeer(opening: OpeningSpec | undefined): boolean {
  if (opening === undefined) return false;
  return opening.awaitsGreeting || (opening.base64 !== undefined && opening.expect !== "none");
}

function toBase64(bytes: string | Uint8Array): string {
  return Buffer.from(bytes as Uint8Array).toString("base64");
}

function invalid(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
