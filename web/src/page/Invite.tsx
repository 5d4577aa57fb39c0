// Invites somebody into a room: people one meets in other rooms, or a user id one was told.
import { useEffect, useState } from "react";

import type { Client, Given, HubbubError, Room, User } from "../client/index";
import { useClient, useConnection } from "../client/react";
import { Avatar } from "./Avatar";
import { kindOf } from "./kinds";
import { rooms } from "./state";
import { sayError, sayUser, t } from "./strings";
import { introduce } from "./useOrder";
import type { Order } from "./useOrder";

/** Of so many rooms the people are looked up, and one page of each. */
const MOST_ROOMS = 8;
const PAGE = 200;
/** More matches than these are found by typing on. */
const MOST_SHOWN = 30;
const USER_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** `high`: one makes moderators, too. */
export function Invite({ room, order, high }: { room: Room; order: Order; high: boolean }) {
  const client = useClient();
  const me = useConnection().me?.id;
  const [typed, setTyped] = useState("");
  const [role, setRole] = useState<Given>("member");
  const [people, setPeople] = useState<readonly User[]>();
  const [said, setSaid] = useState<{ problem?: string; done?: string }>({});
  useEffect(() => void meet(client).then(setPeople), [client]);

  const query = typed.trim().toLocaleLowerCase();
  const others = (people ?? []).filter(({ id }) => id !== me && order.roleOf(id) === undefined);
  const found = others.filter(({ id, name }) => name?.toLocaleLowerCase().includes(query) || id === typed.trim()).slice(0, MOST_SHOWN);
  const id = people && found.length === 0 && USER_ID.test(typed.trim()) ? typed.trim() : undefined;

  const invite = async (user: string, name: string) => {
    try {
      await client.request("room:invite", { room: room.name, user, role });
      if (name !== user) introduce(user, name);
      setTyped("");
      setSaid({ done: t.invite.done(name) });
      await order.reload();
    } catch (error) {
      setSaid({ problem: sayError(error as HubbubError, t.rights) });
    }
    document.getElementById("invite")?.focus();
  };

  // Enter takes the only one there is.
  const submit = () => {
    const only = found.length === 1 && query ? found[0] : undefined;
    if (only) void invite(only.id, sayUser(only));
    else if (id) void invite(id, id);
  };

  const roles: Given[] = ["member", "read_only", ...(high ? (["moderator"] as const) : [])];
  return (
    <form className="part fields" aria-labelledby="invite-title" onSubmit={(event) => (event.preventDefault(), submit())}>
      <h3 id="invite-title">{t.invite.title}</h3>
      <p className="row">
        <span className="grow">
          <label htmlFor="invite">{t.invite.label}</label>
          <input id="invite" value={typed} dir="auto" autoComplete="off" autoCapitalize="off" spellCheck={false} onChange={(event) => (setTyped(event.target.value), setSaid({}))} aria-describedby="invite-hint" />
        </span>
        <span>
          <label htmlFor="invite-role">{t.invite.as}</label>
          <select id="invite-role" value={role} onChange={(event) => setRole(event.target.value as Given)}>
            {roles.map((one) => <option key={one} value={one}>{t.roles[one]}</option>)}
          </select>
        </span>
      </p>
      <p id="invite-hint" className="hint">{t.invite.hint}</p>
      <ul className="found">
        {found.map((user) => {
          const name = sayUser(user);
          return (
            <li key={user.id}>
              <button type="button" onClick={() => void invite(user.id, name)}>
                <Avatar user={user} small />
                <bdi>{t.invite.who(name)}</bdi>
                <span className="hint"><code>{user.id.slice(0, 8)}…</code></span>
              </button>
            </li>
          );
        })}
      </ul>
      {id && <button type="submit">{t.invite.id(id)}</button>}
      <p role="status" className={said.problem ? "wrong" : "hint"}>
        {said.problem ?? said.done ?? (!people ? t.invite.loading : found.length > 0 ? "" : others.length === 0 && !query ? t.invite.nobody : query ? t.invite.none : "")}
      </p>
    </form>
  );
}

/** Whoever is in one's public rooms now, without those of tutorial pages: they have no rooms of their own. */
async function meet(client: Client): Promise<User[]> {
  const places = rooms.get().filter((room) => kindOf(room) === "public").slice(0, MOST_ROOMS);
  const pages = await Promise.allSettled(places.map((room) => client.request("room:members", { room, limit: PAGE })));
  const met = new Map<string, User>();
  for (const page of pages) if (page.status === "fulfilled") for (const user of page.value.members) if (!user.classic) met.set(user.id, user);
  const names = new Intl.Collator(t.language);
  return [...met.values()].sort((a, b) => names.compare(a.name ?? "", b.name ?? ""));
}
