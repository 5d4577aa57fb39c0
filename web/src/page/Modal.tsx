// A dialog as we want them all: titled, closed by Esc, and the focus goes back to where it came from.
import { Dialog } from "@base-ui/react/dialog";
import { useRef } from "react";
import type { ReactNode, RefObject } from "react";

import { Cross } from "./icons";
import { t } from "./strings";

interface Props {
  open: boolean;
  close(): void;
  title: string;
  /** `drawer-start` and `drawer-end` stand at an edge of the page, as high as it is. */
  kind?: "sheet" | "switcher" | "drawer-start" | "drawer-end";
  initialFocus?: RefObject<HTMLElement | null>;
  finalFocus?: () => HTMLElement | null;
  children: ReactNode;
}

export function Modal({ open, close, title, kind = "sheet", initialFocus, finalFocus, children }: Props) {
  // Opened by a key as often as by a button: whoever had the focus gets it back, and else the place one writes in.
  const before = useRef<Element | null>(null);
  const was = useRef(false);
  if (open && !was.current) before.current = document.activeElement;
  was.current = open;
  const back = () => {
    const to = finalFocus?.() ?? before.current;
    if (to instanceof HTMLElement && to.isConnected && to !== document.body && !to.closest("[role=menu]")) return to;
    return document.getElementById("text") ?? true;
  };
  return (
    <Dialog.Root open={open} onOpenChange={(next) => next || close()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className={`popup ${kind}`} initialFocus={initialFocus} finalFocus={back}>
          <header>
            <Dialog.Title className={kind === "switcher" ? "unseen" : undefined}><bdi>{title}</bdi></Dialog.Title>
            <Dialog.Close className="quiet" aria-label={t.close} title={t.close}><Cross /></Dialog.Close>
          </header>
          {children}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** The focus, off something in a dialog that is about to go. */
export function toDialog() {
  document.activeElement?.closest<HTMLElement>("[role=dialog]")?.focus();
}
