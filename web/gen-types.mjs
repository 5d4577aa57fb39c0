// Writes src/client/types.generated.ts from docs/protocol.json; with --check it only says whether they agree.
import { readFileSync, writeFileSync } from "node:fs";

const SOURCE = new URL("../docs/protocol.json", import.meta.url);
const TARGET = new URL("src/client/types.generated.ts", import.meta.url);

/** The TypeScript for `{client, server, codes}`, equal for equal input. */
export function generate({ client, server, codes }) {
  const types = new Map();
  const named = (name, schema) => {
    for (const [inner, target] of Object.entries(schema.$defs ?? {})) define(inner, target, schema);
    return define(name, schema, schema);
  };
  const define = (name, schema, root) => {
    if (name === "RoomId" || !isNamed(schema)) return type(schema, root);
    const text = `${comment(schema.description, "")}export ${body(name, schema, root)}\n`;
    const had = types.get(name);
    if (had && had !== text) throw new Error(`two types are called ${name}:\n${had}${text}`);
    types.set(name, text);
    return name;
  };
  const body = (name, schema, root) =>
    schema.properties ? `interface ${name} ${fields(schema, root)}` : `type ${name} = ${type({ ...schema, title: undefined }, root)};`;
  const fields = (schema, root) => {
    const lines = Object.entries(schema.properties).map(([name, field]) => {
      const needed = schema.required?.includes(name) ? "" : "?";
      return `${comment(field.description, "  ")}  ${name}${needed}: ${type(field, root)};\n`;
    });
    return `{\n${lines.join("")}}`;
  };
  const type = (schema, root) => {
    if (schema.$ref) {
      const name = schema.$ref.split("/").at(-1);
      return isNamed(root.$defs[name]) ? name : type(root.$defs[name], root);
    }
    const either = schema.anyOf ?? schema.oneOf;
    if (either) return either.map((one) => type(one, root)).join(" | ");
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one }, root)).join(" | ");
    switch (schema.type) {
      case "integer":
      case "number":
        return "number";
      case "array":
        return schema.items ? `${wrap(type(schema.items, root))}[]` : "never[]";
      case "object":
        return schema.properties ? fields(schema, root).replaceAll(/\n\s*/g, " ").replaceAll(/\/\*\*.*?\*\/ /g, "") : "Record<string, never>";
      case "string":
      case "boolean":
      case "null":
        return schema.type;
      default:
        throw new Error(`no TypeScript for ${JSON.stringify(schema)}`);
    }
  };

  const told = byName(server).map(([event, { payload }]) => `  ${JSON.stringify(event)}: ${named(pascal(event), payload)};\n`);
  const asked = byName(client).map(([event, { payload, ack }]) => {
    const [asks, answers] = [named(pascal(event), payload), named(`${pascal(event)}Ack`, ack)];
    return `  ${JSON.stringify(event)}: [payload: ${asks}, ack: ${answers}];\n`;
  });
  return [
    "// The wire's types, written from the Rust ones by web/gen-types.mjs; a test fails when they differ. Do not edit.\n",
    ...[...types].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text),
    `/** What a refusal's \`code\` may be. */\nexport type RefusalCode = ${codes.map((code) => JSON.stringify(code)).join(" | ")};\n`,
    `/** What the server tells without being asked. */\nexport interface ServerEvents {\n${told.join("")}}\n`,
    `/** What one may ask, and what is answered. */\nexport interface Requests {\n${asked.join("")}}\n`,
  ].join("\n");
}

/** Objects and choices have names of their own; a room id is a string. */
const isNamed = (schema) => Boolean(schema.properties || schema.enum || schema.oneOf || schema.anyOf);
const byName = (events) => Object.entries(events).sort(([a], [b]) => (a < b ? -1 : 1));
const pascal = (event) => event.replaceAll(/(^|[:_])(.)/g, (_, __, letter) => letter.toUpperCase());
const wrap = (text) => (text.includes("|") ? `(${text})` : text);
const comment = (text, indent) => (text ? `${indent}/** ${text.replaceAll("\n", " ").replaceAll("*/", "* /")} */\n` : "");

if (import.meta.url === `file://${process.argv[1]}`) {
  const text = generate(JSON.parse(readFileSync(SOURCE, "utf8")));
  if (!process.argv.includes("--check")) writeFileSync(TARGET, text);
  else if (readFileSync(TARGET, "utf8") !== text) {
    console.error("web/src/client/types.generated.ts is not what docs/protocol.json says: run `node web/gen-types.mjs`");
    process.exitCode = 1;
  }
}
