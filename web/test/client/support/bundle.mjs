// Small programs, bundled and minified as a page would be.
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "vite";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** The one file that `source` makes, with everything it imports. */
export async function bundle(source) {
  const entry = `${root}/virtual-entry.js`;
  const { output } = await build({
    root,
    configFile: false,
    logLevel: "silent",
    plugins: [{ name: "entry", resolveId: (id) => (id === entry ? id : undefined), load: (id) => (id === entry ? source : undefined) }],
    build: { write: false, minify: true, target: "es2022", modulePreload: false, rollupOptions: { input: entry, preserveEntrySignatures: false } },
  }).then((result) => (Array.isArray(result) ? result[0] : result));
  return output.find((file) => file.type === "chunk").code;
}

export const gzipped = (code) => gzipSync(code, { level: 9 }).length;
