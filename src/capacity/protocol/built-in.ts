// The built-in cost of a connection by scheme, for hosts where it cannot be measured.
import { SCHEMES, type Scheme } from "../../protocols/spec/address.js";
import type { ProtocolCost } from "../../results/prediction.js";

type Sides = ProtocolCost["userBytes"];

const TCP: Sides = { client: 52, server: 6 };
/** OpenSSL's state per connection, measured with OpenSSL 3.0 and TLS 1.3. */
const TLS: Sides = { client: 18_500, server: 14_400 };

/** Memory per connection in fourtuple, as documented in docs/protocols/ and listed in engine/slot-bytes.ts. */
export const USER_BYTES: Readonly<Record<Scheme, Sides>> = {
  tcp: TCP,
  tls: sum(TCP, TLS),
  ws: { client: 63, server: 25 },
  wss: sum({ client: 63, server: 25 }, TLS),
  http: { client: 64, server: 26 },
  https: sum({ client: 64, server: 26 }, TLS),
  mqtt: { client: 80, server: 23 },
  mqtts: sum({ client: 80, server: 23 }, TLS),
};

/** CPU seconds to open a connection, measured on kernel 6.18, x64, by `doctor --protocol`. */
const OPENING: Readonly<Record<"plain" | "secure", Sides>> = {
  plain: { client: 50e-6, server: 25e-6 },
  secure: { client: 650e-6, server: 450e-6 },
};

export function builtInCost(scheme: Scheme): ProtocolCost {
  return {
    scheme,
    userBytes: USER_BYTES[scheme],
    cpuSecondsPerConnection: OPENING[SCHEMES[scheme].isSecure ? "secure" : "plain"],
  };
}

function sum(a: Sides, b: Sides): Sides {
  return { client: a.client + b.client, server: a.server + b.server };
}
