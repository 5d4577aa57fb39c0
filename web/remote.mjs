// Finds addresses of other hosts in built files: the page may fetch nothing but what we serve ourselves.

/** Addresses in the libraries that are only ever text: namespaces of XML, and pages their error messages point to. */
const TEXT_ONLY = ["http://www.w3.org/", "https://react.dev/errors/", "https://base-ui.com/production-error", "https://socket.io/docs/v3/migrating-from-2-x-to-3-0/"];

/** One line for each address in a file that is not known to be text only. */
export function remoteReferences(file, content) {
  const found = content.match(/(?:(?:https?|wss?):)\/\/[^\s"'`)<>\\]+|url\(\s*["']?\/\/[^)]+/g) ?? [];
  return found.filter((url) => !TEXT_ONLY.some((known) => url.startsWith(known))).map((url) => `${file}: ${url}`);
}
