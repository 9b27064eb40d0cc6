// Converts the message options on the command line to the library's options: escape sequences, files and
// sizes become bytes.
import { readFileSync } from "node:fs";
import type { ExpectOption, MessageOptions } from "../../planning/messages.js";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { unescapeText } from "../escapes.js";

/** Options as parsed from the command line. */
export interface MessageCommandOptions {
  readonly message?: string;
  readonly messageFile?: string;
  readonly messageSize?: number;
  readonly messageRate?: number;
  readonly requests?: number;
  readonly expect?: "echo" | "any" | "none";
  readonly expectUntil?: string;
  readonly expectBytes?: number;
  readonly firstMessage?: string;
  readonly awaitGreeting?: boolean;
  readonly publish?: string;
}

/** Content of a message for which only a size was given. */
const FILLER = "0123456789abcdefghijklmnopqrstuvwxyz";
const MAX_MESSAGE_BYTES = 1024 ** 3;

/** @throws {AppError} E_OPTION */
export function messageOptionsOf(options: MessageCommandOptions): MessageOptions {
  const { firstMessage } = options;
  return {
    message: contentOf(options),
    messageRatePerSec: options.messageRate,
    requests: options.requests,
    expect: expectationOf(options),
    firstMessage: firstMessage === undefined ? undefined : unescapeText(firstMessage, "--first-message"),
    awaitGreeting: options.awaitGreeting,
  };
}

function contentOf({ message, messageFile, messageSize, publish }: MessageCommandOptions): Uint8Array | undefined {
  if (message !== undefined && messageFile !== undefined) {
    throw invalid("--message and --message-file cannot be combined", "use one of the two");
  }
  const isGiven = message !== undefined || messageFile !== undefined;
  // With MQTT, the message is then a timestamp padded to this size.
  if (!isGiven && (messageSize === undefined || publish !== undefined)) return undefined;
  const content =
    messageFile !== undefined ? readMessage(messageFile) : Buffer.from(unescapeText(message ?? FILLER, "--message"));
  if (messageSize === undefined || content.length === 0) return content;
  if (messageSize < 1 || messageSize > MAX_MESSAGE_BYTES) {
    throw invalid(`invalid message size: ${messageSize} bytes`, "use 1 byte to 1GiB");
  }
  // Repeats the content until it fills the size.
  return Buffer.alloc(messageSize, content);
}

function readMessage(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new AppError("E_OPTION", `--message-file ${quoted(file)} cannot be read: ${(error as Error).message}`, {
      fix: "name a file with the bytes to send",
      cause: error,
    });
  }
}

function expectationOf({ expect, expectUntil, expectBytes }: MessageCommandOptions): ExpectOption | undefined {
  const given = [expect, expectUntil, expectBytes].filter((value) => value !== undefined);
  if (given.length > 1) {
    throw invalid("only one kind of answer can be expected", "use one of --expect, --expect-until and --expect-bytes");
  }
  if (expectUntil !== undefined) return { until: unescapeText(expectUntil, "--expect-until") };
  return expectBytes === undefined ? expect : { bytes: expectBytes };
}

function invalid(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
