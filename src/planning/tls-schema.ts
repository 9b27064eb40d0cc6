// Schema of the TLS options, checked against their type.
import type { ZodType } from "zod";
import { TLS_VERSIONS } from "../results/identifiers.js";
import { flag, isTexts, oneOf, option, text } from "../util/options.js";
import type { ClientTlsOptions, TlsOptions } from "./tls.js";

export const tlsShape = {
  ca: text.optional(),
  cert: text.optional(),
  key: text.optional(),
  tlsVersion: oneOf(TLS_VERSIONS).optional(),
  ciphers: text.optional(),
  tlsResume: flag.optional(),
  alpn: option('a list of names, such as ["http/1.1"]', isTexts).optional(),
} satisfies Record<keyof TlsOptions, ZodType>;

export const clientTlsShape = {
  ...tlsShape,
  insecure: flag.optional(),
  serverName: text.optional(),
} satisfies Record<keyof ClientTlsOptions, ZodType>;
