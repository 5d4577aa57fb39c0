// What stands before a room's name: a hash, a lock where it is private, or the person one talks with.
import { Avatar } from "./Avatar";
import { Lock } from "./icons";
import type { Kind } from "./kinds";
import { t } from "./strings";

export function RoomSign({ kind, peer }: { kind: Kind; peer: { id: string; name?: string } | undefined }) {
  if (kind === "direct") return <Avatar user={peer ?? { id: "" }} small />;
  if (kind === "private") return <span className="hash lock"><Lock /><span className="unseen">{t.rooms.private} </span></span>;
  return <span className="hash" aria-hidden="true">#</span>;
}
