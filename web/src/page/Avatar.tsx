// A person's first letter on a colour of their own.
import type { CSSProperties } from "react";

import type { User } from "../client/index";

export function Avatar({ user, small = false }: { user: User; small?: boolean }) {
  // Set through the object model, which the policy on styles leaves alone.
  const style = { "--hue": hue(user.id + (user.classic ? (user.name ?? "") : "")) } as CSSProperties;
  return (
    <span className={small ? "avatar small" : "avatar"} style={style} aria-hidden="true">
      {first(user.name ?? "")}
    </span>
  );
}

/** One of twelve, so that neighbours are told apart. */
function hue(id: string): number {
  let sum = 7;
  for (let i = 0; i < id.length; i++) sum = (sum * 31 + id.charCodeAt(i)) >>> 0;
  return (sum % 12) * 30;
}

const segments = new Intl.Segmenter();
function first(name: string): string {
  for (const { segment } of segments.segment(name.trim())) return segment.toLocaleUpperCase();
  return "·";
}
