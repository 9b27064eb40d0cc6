// The steps of a connection's life that can fail, by name and number. Failures are counted by (step, errno), or by step
// and the code of a protocol's refusal (protocols/codes.ts).

export const STEPS = [
  "socket",
  "option",
  "bind",
  "connect",
  "register",
  "accept",
  /** Receiving the PROXY protocol header on a server's connection. */
  "proxy",
  /** TLS handshake. */
  "tls",
  /** The upgrade from HTTP to WebSocket. */
  "upgrade",
  /** The first HTTP request, up to the head of its response. */
  "request",
  /** Waiting for the server's greeting. */
  "greeting",
  /** From the first message to its answer. */
  "first-message",
  /** From MQTT's CONNECT to CONNACK, and to SUBACK if the client subscribes. */
  "connack",
  /** The set-up of a user-defined protocol, from ESTABLISHED to ready(). */
  "setup",
  "send",
  "receive",
  /** A later HTTP response with status 4xx or 5xx; the connection stays open. */
  "response",
  "hold",
] as const;
export type Step = (typeof STEPS)[number];
export const STEP = Object.fromEntries(STEPS.map((step, index) => [step, index])) as Record<Step, number>;
