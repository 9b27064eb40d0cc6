// The published JSON Schemas, made of those that files are checked by.
import type { core, ZodType } from "zod";
import { z } from "../util/zod.js";
import { diagnosisSchema } from "./diagnosis.js";
import { SCHEMAS } from "./parse.js";
import { predictionSchema } from "./prediction.js";
import { pressureSchema } from "./sockets/pressure.js";
import { listenersSchema, socketTableSchema } from "./sockets/socket-table.js";

/** All that is printed as JSON, by its `kind`. */
const PUBLISHED: Readonly<Record<string, ZodType>> = {
  ...SCHEMAS,
  diagnosis: diagnosisSchema,
  listeners: listenersSchema,
  prediction: predictionSchema,
  pressure: pressureSchema,
  sockets: socketTableSchema,
};

/** The files of docs/schema/ by their names, as they are to be written. */
export function jsonSchemaFiles(): Record<string, string> {
  return Object.fromEntries(
    // What goes in: a field with a default may be missing, further ones are allowed.
    Object.entries(PUBLISHED).map(([kind, schema]) => [
      `${kind}-result.json`,
      `${JSON.stringify(z.toJSONSchema(schema, { io: "input", override: dropPattern }), null, 2)}\n`,
    ]),
  );
}

/** A format says more than the expression that checks it. */
function dropPattern({ jsonSchema }: { readonly jsonSchema: core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
}
