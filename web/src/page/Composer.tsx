// Where one writes: a draft per room, Enter to send, and a word to the others that one is typing.
import { useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from "react";
import type { KeyboardEvent, Ref } from "react";

import type { Room } from "../client/index";
import { Send } from "./icons";
import { useKept } from "./kept";
import { drafts, put, settings } from "./state";
import { t } from "./strings";

export interface ComposerHandle {
  focus(): void;
  /** Puts a text that was not sent before what is being written. */
  take(text: string): void;
}

interface Props {
  room: Room;
  /** What the room is called. */
  label: string;
  /** The most characters a message may have, where the server has said so. */
  most: number | undefined;
  sent(): void;
  toEnd(): void;
  ref: Ref<ComposerHandle>;
}

/** Mounted anew for each room, so that no text ever goes to the room before. */
export function Composer({ room, label, most, sent, toEnd, ref }: Props) {
  const [text, setText] = useState(() => drafts.get()[room.name] ?? "");
  const { enterSends } = useKept(settings);
  const area = useRef<HTMLTextAreaElement>(null);
  const length = [...text].length;
  const over = most === undefined ? 0 : Math.max(0, length - most);

  const write = (next: string) => {
    setText(next);
    put(drafts, room.name, next || undefined);
  };

  useImperativeHandle(ref, () => ({
    focus: () => area.current?.focus(),
    take(given) {
      write(text ? `${given}\n${text}` : given);
      area.current?.focus();
    },
  }));

  // As high as its text, up to the limit the style sheet sets.
  useLayoutEffect(() => {
    const box = area.current;
    if (!box) return;
    box.style.blockSize = "auto";
    box.style.blockSize = `${box.scrollHeight}px`;
  }, [text]);

  useEffect(() => () => room.stopTyping(), [room]);

  const send = () => {
    if (!text.trim() || over > 0) return;
    room.send(text.trim());
    write("");
    sent();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape") return toEnd();
    if (event.key !== "Enter" || event.shiftKey) return;
    if (!enterSends && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    send();
  };

  return (
    <form id="composer" className="composer" onSubmit={(event) => (event.preventDefault(), send(), area.current?.focus())}>
      <label htmlFor="text" className="unseen">{t.composer.label(label)}</label>
      <textarea
        id="text"
        ref={area}
        rows={1}
        dir="auto"
        value={text}
        placeholder={t.composer.placeholder(label)}
        autoComplete="off"
        enterKeyHint="send"
        data-region="composer"
        aria-describedby={most !== undefined && length > most - 200 ? "text-left" : undefined}
        aria-invalid={over > 0}
        onChange={(event) => {
          write(event.target.value);
          if (event.target.value.trim()) room.typing();
          else room.stopTyping();
        }}
        onBlur={() => room.stopTyping()}
        onKeyDown={onKeyDown}
      />
      {most !== undefined && length > most - 200 && (
        <p id="text-left" className={over > 0 ? "left wrong" : "left"}>{over > 0 ? t.composer.tooLong(over) : t.composer.left(most - length)}</p>
      )}
      <button type="submit" className="send" aria-label={t.composer.send} title={t.composer.send} disabled={!text.trim() || over > 0}>
        <Send />
      </button>
    </form>
  );
}
