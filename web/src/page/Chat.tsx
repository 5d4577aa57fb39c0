// The whole page of somebody who is in: rooms, the open room, people, and what opens over them.
import { Menu as Popover } from "@base-ui/react/menu";
import { useEffect, useRef, useState } from "react";
import type { RefObject } from "react";

import { useClient, useConnection, useRoom } from "../client/react";
import type { HubbubError, Identity, User } from "../client/index";
import { AddRoom } from "./AddRoom";
import { Avatar } from "./Avatar";
import { Banner } from "./Banner";
import type { ComposerHandle } from "./Composer";
import { Dots, Info, Leave, Menu, People, Search } from "./icons";
import { useKept } from "./kept";
import { kindOf } from "./kinds";
import { LeaveSheet } from "./LeaveSheet";
import { useLabel } from "./mine";
import { Modal } from "./Modal";
import { NameForm } from "./NameForm";
import { NodeState } from "./NodeState";
import { Notices } from "./Notices";
import { PeopleList } from "./PeopleList";
import { PersonSheet } from "./PersonSheet";
import { RoomList } from "./RoomList";
import { RoomSheet } from "./RoomSheet";
import { RoomSign } from "./RoomSign";
import { RoomView } from "./RoomView";
import { SettingsSheet } from "./SettingsSheet";
import { ShortcutsSheet } from "./ShortcutsSheet";
import { leave, name as keptName, peers, showPeople } from "./state";
import { sayError, sayUser, t } from "./strings";
import { Switcher } from "./Switcher";
import { token } from "./token";
import { TokenSheet } from "./TokenSheet";
import { useKeyboard } from "./useKeyboard";
import { useMedia } from "./useMedia";
import { governs } from "./useOrder";
import { useFirstReads, useJoined, useListed, usePeerNames } from "./useRooms";
import type { Listed } from "./useRooms";

type Sheet = "add" | "switcher" | "settings" | "shortcuts" | "name" | "token" | "rooms" | "people" | "person" | "room" | "leave";

export function Chat({ current, again }: { current: string | null; again(): void }) {
  useJoined();
  useFirstReads();
  usePeerNames();
  const rooms = useListed();
  const { me } = useConnection();
  const narrow = useMedia("(max-width: 720px)");
  const [sheet, setSheet] = useState<Sheet>();
  const close = () => setSheet(undefined);
  const composer = useRef<ComposerHandle>(null);
  const toText = () => document.getElementById("text");
  useKeyboard({ switcher: () => setSheet("switcher"), shortcuts: () => setSheet("shortcuts"), rooms, current });
  useTitle(rooms, current);

  // Where there is a keyboard, one can write at once; on a phone that would open it over half of the page.
  useEffect(() => {
    if (!narrow) composer.current?.focus();
  }, [current, narrow]);

  const side = useRef<HTMLElement>(null);
  const list = <RoomList rooms={rooms} current={current} add={() => setSheet("add")} chosen={close} />;
  const own = me && <OwnMenu me={me} open={setSheet} within={side} />;
  return (
    <div className="chat">
      <a className="skip" href="#text" onClick={(event) => (event.preventDefault(), toText()?.focus())}>{t.skip}</a>
      {!narrow && (
        <nav className="side" ref={side} aria-label={t.regions.rooms} data-part="rooms">
          <p className="brand"><span className="mark" aria-hidden="true" />{t.product}</p>
          {list}
          {own}
        </nav>
      )}
      {current ? (
        <OpenRoom key={current} name={current} narrow={narrow} composer={composer} again={again} open={setSheet} sheet={sheet} close={close} />
      ) : (
        <main className="main"><Banner again={again} /><Notices renew={() => setSheet("token")} /><div className="nowhere"><p>{t.rooms.none}</p><button type="button" className="primary" onClick={() => setSheet("add")}>{t.rooms.add}</button></div></main>
      )}
      {narrow && (
        <Modal open={sheet === "rooms"} close={close} title={t.product} kind="drawer-start">
          <nav ref={side} aria-label={t.regions.rooms}>{list}{own}</nav>
        </Modal>
      )}
      <AddRoom open={sheet === "add"} close={close} mine={rooms.map(({ name }) => name)} />
      <Switcher open={sheet === "switcher"} close={close} rooms={rooms} current={current} finalFocus={toText} />
      <SettingsSheet open={sheet === "settings"} close={close} />
      <ShortcutsSheet open={sheet === "shortcuts"} close={close} />
      <Rename open={sheet === "name"} close={close} />
      <TokenSheet open={sheet === "token"} close={close} again={again} />
    </div>
  );
}

interface OpenRoomProps {
  name: string;
  narrow: boolean;
  composer: RefObject<ComposerHandle | null>;
  sheet: Sheet | undefined;
  again(): void;
  open(sheet: Sheet): void;
  close(): void;
}

function OpenRoom({ name, narrow, composer, sheet, again, open, close }: OpenRoomProps) {
  const [snap, room] = useRoom(name);
  const { me } = useConnection();
  const roomy = useMedia("(min-width: 1020px)");
  const wanted = useKept(showPeople);
  // Whoever is not in a room learns nothing of who is.
  const isShut = snap.status === "denied";
  const aside = roomy && wanted && !isShut;
  const main = useRef<HTMLElement>(null);
  const label = useLabel(name);
  const kind = kindOf(name);
  const peer = useKept(peers)[name];
  // Stays while its sheet closes.
  const [person, setPerson] = useState<User>();
  const openPerson = (user: User) => (setPerson(user), open("person"));
  const people = <PeopleList room={room} snap={snap} me={me?.id} person={openPerson} />;
  return (
    <>
      <main className="main" ref={main}>
        <header className="bar">
          {narrow && <button type="button" className="quiet" aria-label={t.rooms.open} title={t.rooms.open} onClick={() => open("rooms")}><Menu /></button>}
          <h1><RoomSign kind={kind} peer={peer} /><bdi>{label}</bdi></h1>
          <NodeState />
          <button type="button" className="quiet" aria-label={t.menu.switcher} title={`${t.menu.switcher} (Ctrl+K)`} onClick={() => open("switcher")}><Search /></button>
          {!isShut && <button type="button" className="quiet counted" aria-expanded={roomy ? aside : sheet === "people"} title={t.people.title} onClick={() => (roomy ? showPeople.set(!wanted) : open("people"))}>
            <People /><span aria-hidden="true">{snap.count || ""}</span><span className="unseen">{t.people.open(snap.count)}</span>
          </button>}
          {!isShut && <Popover.Root>
            <Popover.Trigger className="quiet" aria-label={t.menu.room} title={t.menu.room}><Dots /></Popover.Trigger>
            <Popover.Portal container={main}>
              <Popover.Positioner className="positioner" align="end" sideOffset={4}>
                <Popover.Popup className="menu">
                  {kind !== "direct" && <Popover.Item onClick={() => open("room")}><Info />{governs(snap) ? t.room.govern : t.room.about}</Popover.Item>}
                  <Popover.Item onClick={() => (kind === "public" ? leave(name) : open("leave"))}><Leave />{kind === "direct" ? t.direct.leave : t.rooms.leave}</Popover.Item>
                </Popover.Popup>
              </Popover.Positioner>
            </Popover.Portal>
          </Popover.Root>}
        </header>
        <Banner again={again} />
        <Notices renew={() => open("token")} />
        <RoomView name={name} composer={composer} />
      </main>
      {aside && <aside className="aside" aria-label={t.regions.people} data-part="people">{people}</aside>}
      {!roomy && <Modal open={sheet === "people"} close={close} title={label} kind="drawer-end">{people}</Modal>}
      <Modal open={sheet === "person"} close={close} title={person ? (person.id === me?.id ? t.person.you(sayUser(person)) : sayUser(person)) : ""}>
        {person && <PersonSheet key={person.id} user={person} room={room} snap={snap} close={close} />}
      </Modal>
      <Modal open={sheet === "room"} close={close} title={label}><RoomSheet room={room} snap={snap} person={openPerson} /></Modal>
      <Modal open={sheet === "leave"} close={close} title={kind === "direct" ? t.direct.leave : t.rooms.leave}><LeaveSheet room={name} close={close} govern={() => open("room")} /></Modal>
    </>
  );
}

/** Its menu opens inside of the landmark it belongs to. */
function OwnMenu({ me, open, within }: { me: Identity; open(sheet: Sheet): void; within: RefObject<HTMLElement | null> }) {
  const hasToken = useKept(token) !== "";
  const keepsOrder = me.role === "moderator" || me.role === "admin";
  return (
    <Popover.Root>
      <Popover.Trigger className="own">
        <Avatar user={me} small />
        <bdi id="me">{me.name}</bdi>
        {keepsOrder && <span className="hint">{t.token.roles[me.role]}</span>}
        <span className="unseen">: {t.menu.open}</span>
        <Dots />
      </Popover.Trigger>
      <Popover.Portal container={within}>
        <Popover.Positioner className="positioner" side="top" align="start" sideOffset={6}>
          <Popover.Popup className="menu">
            <Popover.Item onClick={() => open("name")}>{t.name.change}</Popover.Item>
            <Popover.Item onClick={() => open("token")}>{hasToken ? t.token.yours : t.token.signIn}</Popover.Item>
            <Popover.Item onClick={() => open("settings")}>{t.menu.settings}</Popover.Item>
            <Popover.Item onClick={() => open("shortcuts")}>{t.menu.shortcuts}</Popover.Item>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Rename({ open, close }: { open: boolean; close(): void }) {
  const client = useClient();
  const { me } = useConnection();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const rename = async (name: string) => {
    setBusy(true);
    try {
      await client.rename(name);
      keptName.set(name);
      setProblem(undefined);
      close();
    } catch (error) {
      const { code, message } = error as HubbubError;
      setProblem(t.nameErrors[code] ?? sayError({ code, message }));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal open={open} close={() => (setProblem(undefined), close())} title={t.name.change}>
      <NameForm initial={me?.name ?? ""} problem={problem} busy={busy} done={(name) => void rename(name)} />
    </Modal>
  );
}

/** Unread messages in the title of the tab; the open room's count too while nobody looks. */
function useTitle(rooms: readonly Listed[], current: string | null) {
  const label = rooms.find(({ name }) => name === current)?.label;
  const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${label ? `${label} · ` : ""}${t.product}`;
  }, [unread, label]);
}
