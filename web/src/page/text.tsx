// A message's text: text, and links where it says http or https. Nothing a user writes is ever markup.
import type { ReactNode } from "react";

const LINK = /\bhttps?:\/\/[^\s<>"“”]+/gi;
/** What ends a sentence rather than an address. */
const TAIL = /[.,;:!?'’)\]}]+$/;

export function linkify(text: string): ReactNode[] {
  const parts: ReactNode[] = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const said = trimmed(match[0]);
    const url = address(said);
    if (!url) continue;
    if (match.index > from) parts.push(text.slice(from, match.index));
    parts.push(
      <a key={match.index} href={url.href} title={url.host} target="_blank" rel="noopener noreferrer nofollow ugc">
        {said}
      </a>,
    );
    from = match.index + said.length;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

/** Without what ends the sentence, but with a bracket that was opened inside the address. */
function trimmed(said: string): string {
  const bare = said.replace(TAIL, "");
  return bare.includes("(") && said[bare.length] === ")" ? `${bare})` : bare;
}

/** Only http and https, without a user name in it: `https://bank.example@evil.example` reads like the wrong host. */
function address(said: string): URL | undefined {
  if (!URL.canParse(said)) return undefined;
  const url = new URL(said);
  return /^https?:$/.test(url.protocol) && !url.username && !url.password ? url : undefined;
}
