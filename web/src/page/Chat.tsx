// The whole page of somebody who is in: rooms, the open room, people, and what opens over them.
import { Menu as Popover } from "@base-ui/react/menu";
import { useEffect, useRef, useState } from "react";
import type { RefObject } from "react";

import { useClient, useConnection, useRoom } from "../client/react";
import type { HubbubError } from "../client/index";
import { AddRoom } from "./AddRoom";
import { Avatar } from "./Avatar";
import { Banner } from "./Banner";
import type { ComposerHandle } from "./Composer";
import { Dots, Leave, Menu, People, Search } from "./icons";
import { useKept } from "./kept";
import { Modal } from "./Modal";
import { NameForm } from "./NameForm";
import { NodeState } from "./NodeState";
import { PeopleList } from "./PeopleList";
import { RoomList } from "./RoomList";
import { RoomView } from "./RoomView";
import { SettingsSheet } from "./SettingsSheet";
import { ShortcutsSheet } from "./ShortcutsSheet";
import { leave, name as keptName, showPeople } from "./state";
import { sayError, t } from "./strings";
import { Switcher } from "./Switcher";
import { useKeyboard } from "./useKeyboard";
import { useMedia } from "./useMedia";
import { useFirstReads, useJoined, useListed } from "./useRooms";
import type { Listed } from "./useRooms";

type Sheet = "add" | "switcher" | "settings" | "shortcuts" | "name" | "rooms" | "people";

export function Chat({ current, again }: { current: string | null; again(): void }) {
  useJoined();
  useFirstReads();
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
  const own = me && <OwnMenu id={me.id} name={me.name} open={setSheet} within={side} />;
  return (
    <div className="chat">
      <a className="skip" href="#text" onClick={(event) => (event.preventDefault(), composer.current?.focus())}>{t.skip}</a>
      {!narrow && (
        <nav className="side" ref={side} aria-label={t.regions.rooms} data-part="rooms">
          <p className="brand"><span className="mark" aria-hidden="true" />{t.product}</p>
          {list}
          {own}
        </nav>
      )}
      {current ? (
        <OpenRoom key={current} name={current} narrow={narrow} composer={composer} again={again} open={setSheet} peopleOpen={sheet === "people"} close={close} />
      ) : (
        <main className="main"><Banner again={again} /><div className="nowhere"><p>{t.rooms.none}</p><button type="button" className="primary" onClick={() => setSheet("add")}>{t.rooms.add}</button></div></main>
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
    </div>
  );
}

interface OpenRoomProps {
  name: string;
  narrow: boolean;
  composer: RefObject<ComposerHandle | null>;
  peopleOpen: boolean;
  again(): void;
  open(sheet: Sheet): void;
  close(): void;
}

function OpenRoom({ name, narrow, composer, peopleOpen, again, open, close }: OpenRoomProps) {
  const [snap, room] = useRoom(name);
  const { me } = useConnection();
  const roomy = useMedia("(min-width: 1020px)");
  const wanted = useKept(showPeople);
  const aside = roomy && wanted;
  const main = useRef<HTMLElement>(null);
  const people = <PeopleList room={room} snap={snap} me={me?.id} />;
  return (
    <>
      <main className="main" ref={main}>
        <header className="bar">
          {narrow && <button type="button" className="quiet" aria-label={t.rooms.open} title={t.rooms.open} onClick={() => open("rooms")}><Menu /></button>}
          <h1><span className="hash" aria-hidden="true">#</span><bdi>{name}</bdi></h1>
          <NodeState />
          <button type="button" className="quiet" aria-label={t.menu.switcher} title={`${t.menu.switcher} (Ctrl+K)`} onClick={() => open("switcher")}><Search /></button>
          <button type="button" className="quiet counted" aria-expanded={roomy ? aside : peopleOpen} title={t.people.title} onClick={() => (roomy ? showPeople.set(!wanted) : open("people"))}>
            <People /><span aria-hidden="true">{snap.count || ""}</span><span className="unseen">{t.people.open(snap.count)}</span>
          </button>
          <Popover.Root>
            <Popover.Trigger className="quiet" aria-label={t.menu.room} title={t.menu.room}><Dots /></Popover.Trigger>
            <Popover.Portal container={main}>
              <Popover.Positioner className="positioner" align="end" sideOffset={4}>
                <Popover.Popup className="menu">
                  <Popover.Item onClick={() => leave(name)}><Leave />{t.rooms.leave}</Popover.Item>
                </Popover.Popup>
              </Popover.Positioner>
            </Popover.Portal>
          </Popover.Root>
        </header>
        <Banner again={again} />
        <RoomView name={name} composer={composer} />
      </main>
      {aside && <aside className="aside" aria-label={t.regions.people} data-part="people">{people}</aside>}
      {!roomy && <Modal open={peopleOpen} close={close} title={name} kind="drawer-end">{people}</Modal>}
    </>
  );
}

/** Its menu opens inside of the landmark it belongs to. */
function OwnMenu({ id, name, open, within }: { id: string; name: string; open(sheet: Sheet): void; within: RefObject<HTMLElement | null> }) {
  return (
    <Popover.Root>
      <Popover.Trigger className="own">
        <Avatar user={{ id, name }} small />
        <bdi id="me">{name}</bdi>
        <span className="unseen">: {t.menu.open}</span>
        <Dots />
      </Popover.Trigger>
      <Popover.Portal container={within}>
        <Popover.Positioner className="positioner" side="top" align="start" sideOffset={6}>
          <Popover.Popup className="menu">
            <Popover.Item onClick={() => open("name")}>{t.name.change}</Popover.Item>
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
      <NameForm initial={me?.name ?? ""} problem={problem} action={t.name.save} hint={t.name.changeHint} busy={busy} done={(name) => void rename(name)} />
    </Modal>
  );
}

/** Unread messages in the title of the tab; the open room's count too while nobody looks. */
function useTitle(rooms: readonly Listed[], current: string | null) {
  const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${current ? `${current} · ` : ""}${t.product}`;
  }, [unread, current]);
}
