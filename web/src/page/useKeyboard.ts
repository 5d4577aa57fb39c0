// The keys that work everywhere on the page.
import { useEffect } from "react";

import { enter } from "./state";

interface Keys {
  switcher(): void;
  shortcuts(): void;
  rooms: readonly { name: string }[];
  current: string | null;
}

export function useKeyboard(keys: Keys) {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      const dialog = document.querySelector("[role=dialog]");
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        keys.switcher();
      } else if (dialog) {
        return;
      } else if (event.key === "F6" && !event.ctrlKey && !event.altKey) {
        event.preventDefault();
        nextRegion(event.shiftKey ? -1 : 1);
      } else if (event.key === "?" && !isText(event.target)) {
        event.preventDefault();
        keys.shortcuts();
      } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
        event.preventDefault();
        const at = keys.rooms.findIndex(({ name }) => name === keys.current);
        const next = keys.rooms[(at + (event.key === "ArrowDown" ? 1 : -1) + keys.rooms.length) % keys.rooms.length];
        if (next) enter(next.name);
      }
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  });
}

/** From one part of the page to the next, each by the one element of it that takes the focus. */
function nextRegion(step: number) {
  const stops = [...document.querySelectorAll<HTMLElement>("[data-region]")].filter((stop) => stop.offsetParent !== null);
  const here = document.activeElement;
  const region = here?.closest("[data-part]");
  const at = stops.findIndex((stop) => stop === here || stop.contains(here) || (region !== null && region !== undefined && stop.closest("[data-part]") === region && region.contains(here)));
  stops[(at + step + stops.length) % stops.length]?.focus();
}

function isText(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), textarea, select"));
}
