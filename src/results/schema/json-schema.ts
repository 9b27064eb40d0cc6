// The published JSON Schemas, made of those that files are checked by.
import type { core } from "zod";
import { z } from "../../util/zod.js";
import { type ResultKind, SCHEMAS } from "./parse.js";

/** The files of docs/schema/ by their names, as they are to be written. */
export function jsonSchemaFiles(): Record<string, string> {
  const kinds = Object.keys(SCHEMAS) as ResultKind[];
  return Object.fromEntries(
    // What goes in: a field with a default may be missing, further ones are allowed.
    kinds.map((kind) => [
      `${kind}-result.json`,
      `${JSON.stringify(z.toJSONSchema(SCHEMAS[kind], { io: "input", override: dropPattern }), null, 2)}\n`,
    ]),
  );
}

/** A format says more than the expression that checks it. */
function dropPattern({ jsonSchema }: { readonly jsonSchema: core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
}
