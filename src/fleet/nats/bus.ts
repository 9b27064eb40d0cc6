// The Bus over a NATS connection.
import { setTimeout as delay } from "node:timers/promises";
import { createInbox, type Msg, type NatsConnection, PermissionViolationError } from "@nats-io/transport-node";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { formatBytes } from "../../util/units.js";
import type { Bus, Handle } from "../bus.js";
import { decode, encode } from "../codec.js";
import { toFailure } from "../refusals.js";

/** Most time that closing waits for messages still to be sent. */
const DRAIN_MS = 2000;
/** Most time that a check waits for a server that does not answer. */
const FLUSH_MS = 2000;
/** Subjects of fourtuple and of answers; the others are JetStream's. */
const OWN_SUBJECTS = /^(fourtuple|_INBOX)\./;

export class NatsBus implements Bus {
  #isConnected = true;
  /** What the server has refused since the last check(). */
  #refusal: AppError | undefined;
  readonly #connection: NatsConnection;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    void this.#watch();
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.#connection.isClosed();
  }

  publish(subject: string, message: object): void {
    if (this.#connection.isClosed()) return;
    try {
      this.#connection.publish(subject, this.#encode(message));
    } catch (error) {
      this.#refusal ??= error as AppError;
    }
  }

  subscribe(subject: string, handle: Handle): () => void {
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (!error) handle(decode(message.data), this.#answerOf(message));
      },
    });
    return () => subscription.unsubscribe();
  }

  async request(subject: string, message: object, timeoutMs: number): Promise<unknown> {
    this.#assertOpen();
    if (!this.isConnected) return undefined;
    const bytes = this.#encode(message);
    try {
      return decode((await this.#connection.request(subject, bytes, { timeout: timeoutMs })).data);
    } catch (error) {
      const cause = (error as Error).cause ?? error;
      if (cause instanceof PermissionViolationError) throw forbidden(cause);
      // Nobody listens, or nobody answered in time.
      return undefined;
    }
  }

  async gather(
    subject: string,
    message: object,
    timeoutMs: number,
    most = Number.POSITIVE_INFINITY,
  ): Promise<unknown[]> {
    const answers: unknown[] = [];
    this.#assertOpen();
    if (!this.isConnected) return answers;
    const inbox = createInbox();
    const full = new AbortController();
    const subscription = this.#connection.subscribe(inbox, {
      callback: (error, { data, headers }) => {
        // If nobody listens, the server answers with a status in the headers.
        if (error || headers?.code === 503) return;
        answers.push(decode(data));
        if (answers.length >= most) full.abort();
      },
    });
    this.#connection.publish(subject, this.#encode(message), { reply: inbox });
    await delay(timeoutMs, undefined, { signal: full.signal }).catch(() => undefined);
    subscription.unsubscribe();
    if (answers.length === 0) await this.check();
    return answers;
  }

  async check(): Promise<void> {
    if (this.isConnected) await this.#flushed();
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal) throw refusal;
  }

  async close(): Promise<void> {
    if (this.#connection.isClosed()) return;
    const drained = this.#isConnected ? this.#connection.drain() : this.#connection.close();
    const isOver = new AbortController();
    // To a server that does not answer, draining never ends.
    const late = delay(DRAIN_MS, undefined, { signal: isOver.signal }).then(() => this.#connection.close());
    await Promise.race([drained.catch(() => this.#connection.close()), late.catch(() => undefined)]);
    isOver.abort();
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === "disconnect") this.#isConnected = false;
      else if (status.type === "reconnect") this.#isConnected = true;
      else if (status.type === "error" && status.error instanceof PermissionViolationError) {
        // Without JetStream's subjects, results are not kept, and the store says so.
        if (OWN_SUBJECTS.test(status.error.subject)) this.#refusal ??= forbidden(status.error);
      }
    }
  }

  /** What asks again until it has an answer ends with the connection. */
  #assertOpen(): void {
    if (this.#connection.isClosed()) throw new AppError("E_FLEET", "the connection to NATS is closed");
  }

  /** The server answers a ping after everything that was sent before. */
  async #flushed(): Promise<void> {
    const over = new AbortController();
    const late = delay(FLUSH_MS, undefined, { signal: over.signal }).catch(() => undefined);
    await Promise.race([this.#connection.flush().catch(() => undefined), late]);
    over.abort();
  }

  /** @throws {AppError} E_FLEET if the server accepts no message of this length */
  #encode(message: object): Uint8Array {
    const bytes = encode(message);
    const most = this.#connection.info?.max_payload;
    if (most === undefined || bytes.length <= most) return bytes;
    throw new AppError(
      "E_FLEET",
      `a message of ${formatBytes(bytes.length)} is longer than the NATS server accepts (${formatBytes(most)})`,
      {
        fix: "raise max_payload in the server's configuration, or use fewer destinations, a shorter message or a smaller data file",
      },
    );
  }

  #answerOf(message: Msg): ((answer: object) => void) | undefined {
    if (message.reply === undefined || message.reply === "") return undefined;
    return (answer) => {
      try {
        message.respond(this.#encode(answer));
      } catch (error) {
        message.respond(this.#encode(toFailure(error)));
      }
    };
  }
}

function forbidden(cause: PermissionViolationError): AppError {
  const verb = cause.operation === "publish" ? "publish" : "subscribe";
  return new AppError("E_FLEET", `the NATS server does not let this user ${verb} to ${quoted(cause.subject)}`, {
    fix: 'permit its user to publish and to subscribe to "fourtuple.>" and "_INBOX.>"',
    cause,
  });
}
