// Who types now: one line that is always there, so that it never moves anything.
import type { RoomSnapshot } from "../client/index";
import { t } from "./strings";

export function Typing({ snap }: { snap: RoomSnapshot }) {
  const names = snap.typing.map((user) => user.name || t.timeline.guest);
  const all = names.length + snap.typingMore;
  const [a, b] = names;
  const text = all === 0 ? "" : all === 1 ? t.typing.one(a!) : all === 2 && b ? t.typing.two(a!, b) : t.typing.many(all);
  return <p id="typing" className="typing" aria-live="off"><bdi>{text}</bdi></p>;
}
