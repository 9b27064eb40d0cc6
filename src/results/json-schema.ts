// JSON Schemas for publication, generated from the schemas that validate files.
import type { core, ZodType } from "zod";
import { z } from "../util/zod.js";
import { diagnosisSchema } from "./diagnosis.js";
import { SCHEMAS } from "./parse.js";
import { predictionSchema } from "./prediction.js";
import { namespacesSchema } from "./sockets/namespaces.js";
import { pressureSchema } from "./sockets/pressure.js";
import { listenersSchema, socketTableSchema } from "./sockets/socket-table.js";

/** Schemas of all JSON output, by `kind`. */
const PUBLISHED: Readonly<Record<string, ZodType>> = {
  ...SCHEMAS,
  diagnosis: diagnosisSchema,
  listeners: listenersSchema,
  namespaces: namespacesSchema,
  prediction: predictionSchema,
  pressure: pressureSchema,
  sockets: socketTableSchema,
};

/** Returns the files in docs/schema/ by name. */
export function jsonSchemaFiles(): Record<string, string> {
  return Object.fromEntries(
    // Use the input schema: fields with a default may be missing, and additional fields are allowed.
    Object.entries(PUBLISHED).map(([kind, schema]) => [
      `${kind}-result.json`,
      `${JSON.stringify(z.toJSONSchema(schema, { io: "input", override: dropPattern }), null, 2)}\n`,
    ]),
  );
}

/** The format keyword is more specific than the regular expression that validates it. */
function dropPattern({ jsonSchema }: { readonly jsonSchema: core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
}
