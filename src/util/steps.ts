// The steps of a connection's life in which it can fail, by name and by number: failures are counted by (step, errno), or by the code by
// which a protocol refuses (protocols/codes.ts).

export const STEPS = [
  "socket",
  "option",
  "bind",
  "connect",
  "register",
  "accept",
  /** The handshake of TLS. */
  "tls",
  /** From HTTP to WebSocket. */
  "upgrade",
  "send",
  "receive",
  "hold",
] as const;
export type Step = (typeof STEPS)[number];
export const STEP = Object.fromEntries(STEPS.map((step, index) => [step, index])) as Record<Step, number>;
