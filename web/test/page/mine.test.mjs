// Rooms that are somebody's: made, invited into, sent out of, kept in order; and conversations of two.
import assert from "node:assert/strict";

import { play } from "./stage.mjs";

/** Makes a room by the page's own form, and is in it. */
async function makes(seat, name, { isPrivate = true, announce = false } = {}) {
  const { page } = seat;
  await page.getByRole("button", { name: "Join or create a room" }).first().click();
  await page.fill("#room-name", name);
  await page.getByRole("radio", { name: isPrivate ? "Private" : "Public" }).check();
  if (announce) await page.getByRole("checkbox", { name: "Announcements only" }).check();
  await page.getByRole("button", { name: `Create “${name}”` }).click();
  await stands(seat, name);
}

const stands = (seat, label) => seat.page.locator("h1", { hasText: label }).waitFor();
const listed = (seat, label) => seat.page.locator("#rooms li", { hasText: label });
const notice = (seat, text) => seat.page.locator(".card", { hasText: text });
const silent = (seat, text) => seat.page.locator(".silent", { hasText: text });

async function chooses(seat, item) {
  await seat.page.getByRole("button", { name: "More about this room" }).click();
  await seat.page.getByRole("menuitem", { name: item }).click();
}

async function closes(seat) {
  await seat.page.keyboard.press("Escape");
  await seat.page.getByRole("dialog").waitFor({ state: "detached" });
}

/** Invites somebody they meet in the lobby. */
async function invites(seat, who, role = "Member") {
  await chooses(seat, "People and roles");
  await seat.page.getByLabel("As", { exact: true }).selectOption({ label: role });
  await seat.page.getByRole("button", { name: `Invite ${who}` }).click();
  await seat.page.getByText(`${who} is invited.`).waitFor();
}

/** Makes somebody who is listed with a role something else. */
async function gives(seat, who, role) {
  const dialog = seat.page.getByRole("dialog");
  await dialog.getByRole("list", { name: "Who has a role" }).getByRole("button", { name: who }).click();
  await dialog.getByLabel("Role in this room").selectOption({ label: role });
  await dialog.getByRole("button", { name: "Change role" }).click();
  await dialog.getByText("The role is changed.").waitFor();
}

play("a private room: whoever is invited has it at once and after a reload, and is told when it is theirs no more", async (stage) => {
  const ada = await stage.seat("ada", { at: 0 });
  const bob = await stage.seat("bob", { at: 1, context: { colorScheme: "dark" } });
  const cleo = await stage.seat("cleo", { at: 1 });
  await makes(ada, "den");
  await ada.says("only for us");
  await ada.page.locator("article.sent").waitFor();
  assert.equal(await listed(bob, "den").count(), 0);

  await invites(ada, "bob");
  await notice(bob, "ada has invited you to den.").waitFor();
  await listed(bob, "den").waitFor();
  assert.deepEqual(await bob.axe(), []);
  await notice(bob, "den").getByRole("button", { name: "Open den" }).click();
  await stands(bob, "den");
  await bob.sees("only for us");
  assert.equal(await notice(bob, "den").count(), 0, "whoever has come needs no notice");
  await closes(ada);
  await bob.says("thanks");
  await ada.sees("thanks");

  await bob.page.evaluate(() => (location.hash = "lobby"));
  await stands(bob, "lobby");
  await bob.page.evaluate(() => localStorage.setItem("hubbub.rooms", JSON.stringify(["lobby"])));
  await bob.page.reload();
  await listed(bob, "den").locator("a").click();
  await bob.sees("only for us");

  // Somebody who was told where it is, and is not invited.
  await cleo.page.evaluate((to) => (location.hash = to), new URL(ada.page.url()).hash);
  await cleo.page.locator(".shut", { hasText: "There is no such room, or you are not invited." }).waitFor();
  assert.equal(await cleo.row("only for us").count(), 0);
  assert.deepEqual(await cleo.axe(), []);
  await cleo.page.getByRole("button", { name: "Take it off the list" }).click();
  await stands(cleo, "lobby");
  assert.equal(await listed(cleo, "den").count(), 0);

  await chooses(ada, "People and roles");
  await gives(ada, "bob", "Not in this room any more");
  await bob.page.locator(".shut", { hasText: "You are not in this room any more" }).waitFor();
  assert.equal(await bob.row("only for us").count(), 0, "the room is closed");
  assert.deepEqual(await bob.axe(), []);
  await listed(bob, "lobby").locator("a").click();
  await stands(bob, "lobby");
  assert.equal(await listed(bob, "den").count(), 0);

  // While one looks elsewhere, it is said there.
  await closes(ada);
  await invites(ada, "bob");
  await listed(bob, "den").waitFor();
  await closes(ada);
  await chooses(ada, "People and roles");
  await gives(ada, "bob", "Not in this room any more");
  await notice(bob, "You are not in den any more.").waitFor();
  await listed(bob, "den").waitFor({ state: "detached" });
  await stands(bob, "lobby");
  assert.deepEqual(stage.complaints, []);
});

play("a conversation of two: begun from the people, unread until it is read, given up, and found again", async (stage) => {
  const ada = await stage.seat("ada", { at: 0 });
  const bob = await stage.seat("bob", { at: 1 });
  const cleo = await stage.seat("cleo", { at: 1 });
  const person = ada.page.locator("#people").getByRole("button", { name: "bob" });
  await person.focus();
  await ada.page.keyboard.press("Enter");
  await closes(ada);
  await ada.page.waitForFunction(() => document.activeElement.innerText.includes("bob"));
  await ada.page.keyboard.press("Enter");
  await ada.page.getByRole("dialog", { name: "bob" }).waitFor();
  assert.deepEqual(await ada.axe(), []);
  await ada.page.getByRole("button", { name: "Message bob" }).click();
  await stands(ada, "bob");
  await ada.page.getByRole("list", { name: "Direct messages" }).getByRole("link", { name: "bob" }).waitFor();
  await ada.page.waitForFunction(() => document.activeElement.id === "text");
  await ada.says("a word with you");

  await notice(bob, "ada has opened a conversation with you.").waitFor();
  const theirs = bob.page.getByRole("list", { name: "Direct messages" }).getByRole("link", { name: "ada" });
  await theirs.getByText("1 unread message").waitFor({ state: "attached" });
  await bob.page.waitForFunction(() => document.title === "(1) lobby · Hubbub");
  await theirs.click();
  await bob.sees("a word with you");
  assert.equal(await bob.page.getByPlaceholder("Message ada").count(), 1);
  await bob.says("gladly");
  await ada.sees("gladly");
  assert.deepEqual(await bob.axe(), []);
  assert.equal(await cleo.page.locator("#direct-title").count(), 0, "it is nobody else's");

  // One who is away finds it, and what was said in it, when they are back.
  await cleo.context.setOffline(true);
  await cleo.banner("You are offline.");
  await ada.page.locator("#rooms a", { hasText: "lobby" }).click();
  await ada.page.locator("#people").getByRole("button", { name: "cleo" }).click();
  await ada.page.getByRole("button", { name: "Message cleo" }).click();
  await stands(ada, "cleo");
  await ada.says("call me when you are back");
  await ada.page.locator("article.sent", { hasText: "call me" }).waitFor();
  await cleo.context.setOffline(false);
  await cleo.page.getByRole("link", { name: "ada" }).getByText("1 unread message").waitFor({ state: "attached" });
  await ada.page.getByRole("link", { name: "bob" }).click();

  for (const seat of [ada, bob]) await seat.page.reload();
  await stands(ada, "bob");
  await stands(bob, "ada");
  await bob.page.keyboard.press("Control+k");
  await bob.page.keyboard.type("Ad");
  await bob.page.locator("[role=option][aria-selected=true]", { hasText: "ada" }).waitFor();
  await bob.page.keyboard.press("Escape");
  await bob.page.getByRole("dialog").waitFor({ state: "detached" });

  // Another device of bob's, which looks at the conversation when it is given up.
  const again = await stage.seat("bob", { at: 0 });
  for (const key of ["hubbub:session", "hubbub.rooms"]) {
    const value = await bob.page.evaluate((kept) => localStorage.getItem(kept), key);
    await again.page.evaluate(([kept, text]) => localStorage.setItem(kept, text), [key, value]);
  }
  await again.page.reload();
  await again.page.getByRole("link", { name: "ada" }).click();
  await again.sees("gladly");

  await chooses(bob, "Give up this conversation");
  await bob.page.getByRole("button", { name: "Give up this conversation" }).click();
  await stands(bob, "lobby");
  assert.equal(await bob.page.locator("#direct-title").count(), 0);
  assert.equal(await notice(bob, "").count(), 0, "what one does oneself is no news");
  await again.page.locator(".shut", { hasText: "Your conversation with ada is closed" }).waitFor();
  await bob.page.reload();
  await bob.isOn();
  await bob.page.locator("#people > li", { hasText: "ada" }).waitFor();
  assert.equal(await bob.page.locator("#direct-title").count(), 0);

  await bob.page.locator("#people").getByRole("button", { name: "ada" }).click();
  await bob.page.getByRole("button", { name: "Message ada" }).click();
  await bob.sees("gladly");
  assert.deepEqual(stage.complaints, []);
});

play("where only moderators write, others are told so in the place of writing, and write as soon as they are one", async (stage) => {
  const ada = await stage.seat("ada", { at: 0 });
  const bob = await stage.seat("bob", { at: 1, context: { viewport: { width: 390, height: 780 } } });
  // A public one is for moderators of the server to make: refused, with what to do instead.
  await ada.page.getByRole("button", { name: "Join or create a room" }).first().click();
  await ada.page.fill("#room-name", "news");
  await ada.page.getByRole("checkbox", { name: "Announcements only" }).check();
  assert.deepEqual(await ada.axe(), []);
  await ada.page.getByRole("button", { name: "Create “news”" }).click();
  await ada.page.getByRole("alert").getByText("Only moderators of this server make such a room. Make it private").waitFor();
  await ada.page.getByRole("radio", { name: "Private" }).check();
  await ada.page.getByRole("button", { name: "Create “news”" }).click();
  await stands(ada, "news");
  await ada.says("we open at nine");

  await invites(ada, "bob");
  await notice(bob, "invited you to news").getByRole("button", { name: "Open news" }).click();
  await bob.sees("we open at nine");
  await silent(bob, "Only moderators write here.").waitFor();
  assert.equal(await bob.page.locator("textarea").count(), 0);
  assert.deepEqual(await bob.axe(), []);
  // What says so is where the keys lead that lead to writing.
  for (let i = 0; i < 2; i++) await bob.page.keyboard.press("F6");
  await bob.page.waitForFunction(() => document.activeElement.className === "silent");
  await bob.page.getByRole("button", { name: "2 people here" }).click();
  await bob.page.getByRole("dialog", { name: "news" }).getByRole("button", { name: "ada" }).click();
  await bob.page.getByRole("dialog", { name: "ada" }).getByRole("button", { name: "Message ada" }).waitFor();
  await closes(bob);
  await chooses(bob, "About this room");
  await bob.page.getByRole("dialog").getByText("Only its owner and moderators write here.").waitFor();
  assert.equal(await bob.page.getByRole("button", { name: /^Invite/ }).count(), 0);
  await closes(bob);

  assert.deepEqual(await ada.axe(), []);
  await gives(ada, "bob", "Moderator");
  await bob.page.locator("textarea").waitFor();
  await notice(bob, "Your role in news is now: Moderator.").waitFor();
  await bob.says("and close at five");
  await ada.sees("and close at five");

  // When all may write again, all are told.
  const cleo = await stage.seat("cleo", { at: 1 });
  await invites(bob, "cleo");
  await notice(cleo, "bob has invited you to news.").getByRole("button", { name: "Open news" }).click();
  await silent(cleo, "Only moderators write here.").waitFor();
  await bob.page.getByRole("checkbox", { name: "Announcements only" }).uncheck();
  await bob.page.getByRole("checkbox", { name: "Announcements only", checked: false }).waitFor();
  await closes(bob);
  await cleo.says("may I, too?");
  await bob.sees("may I, too?");

  // What a moderator may not do is not offered: the owner's role is not theirs to change.
  await chooses(bob, "People and roles");
  const dialog = bob.page.getByRole("dialog");
  await dialog.getByRole("list", { name: "Who has a role" }).getByRole("button", { name: "ada" }).click();
  await dialog.getByText("Only the owner makes and removes moderators").waitFor();
  assert.equal(await dialog.getByRole("button", { name: "Change role" }).count(), 0);
  assert.deepEqual(await bob.axe(), []);

  // An owner hands the room on before they leave it.
  await closes(ada);
  await chooses(ada, "Leave this room");
  await ada.page.getByRole("button", { name: "Leave for good" }).click();
  await ada.page.getByRole("alert").getByText("This room is yours. Make somebody else its owner before you leave it.").waitFor();
  await ada.page.getByRole("button", { name: "People and roles" }).click();
  await gives(ada, "bob", "Owner");
  await notice(bob, "Your role in news is now: Owner.").waitFor();
  await closes(ada);
  await chooses(ada, "Leave this room");
  await ada.page.getByRole("button", { name: "Leave for good" }).click();
  await stands(ada, "lobby");
  assert.equal(await listed(ada, "news").count(), 0);
  assert.deepEqual(stage.complaints, []);
});

play("the owner keeps order: silences with a reason, lifts it, and sends somebody out who may come back", async (stage) => {
  const ada = await stage.seat("ada", { at: 0 });
  const bob = await stage.seat("bob", { at: 1 });
  await makes(ada, "den");
  await invites(ada, "bob");
  await closes(ada);
  await notice(bob, "den").getByRole("button", { name: "Open den" }).click();
  const about = async () => {
    await ada.page.locator("#people").getByRole("button", { name: "bob" }).click();
    return ada.page.getByRole("dialog", { name: "bob" });
  };
  let dialog = await about();
  await dialog.getByRole("button", { name: "Silence", exact: true }).click();
  await dialog.getByLabel("For how long").selectOption({ label: "1 day" });
  await dialog.getByLabel("Reason").fill("shouting <b>loud</b>");
  assert.deepEqual(await ada.axe(), []);
  await dialog.getByRole("button", { name: "Silence bob" }).click();
  await dialog.getByText("bob may not write here now.").waitFor();
  await dialog.locator(".held", { hasText: "shouting <b>loud</b>" }).waitFor();
  assert.deepEqual(await ada.axe(), []);

  await silent(bob, "You may not write here until").waitFor();
  await dialog.getByRole("button", { name: "Let bob write again" }).click();
  await dialog.getByText("bob may write here again.").waitFor();
  await bob.page.locator("textarea").waitFor();

  await dialog.getByRole("button", { name: "Send out", exact: true }).click();
  await dialog.getByRole("button", { name: "Send bob out" }).click();
  await bob.page.locator(".shut", { hasText: "A moderator has sent you out of this room. You may come back." }).waitFor();
  await closes(ada);
  await bob.page.getByRole("button", { name: "Come back" }).click();
  await bob.says("hello");
  await ada.sees("hello");

  dialog = await about();
  await dialog.getByRole("button", { name: "Ban", exact: true }).click();
  await dialog.getByRole("button", { name: "Ban bob" }).click();
  await bob.page.locator(".shut", { hasText: "You are banned from this room." }).waitFor();
  await closes(ada);
  await chooses(ada, "People and roles");
  await ada.page.getByRole("region", { name: "Banned or silenced" }).getByRole("button", { name: "Let bob in again" }).click();
  await ada.page.getByRole("region", { name: "Banned or silenced" }).waitFor({ state: "detached" });
  await bob.page.getByRole("button", { name: "Try again" }).click();
  await bob.sees("hello");
  assert.deepEqual(stage.complaints, []);
});

play("who has a role is listed whole, however many they are and however much was done since", async (stage) => {
  const ada = await stage.seat("ada", { at: 0 });
  // One connection invites no more than sixty a minute.
  const keepers = await Promise.all(["dev", "eve", "fay", "gus"].map((name) => stage.speaker(name, "lobby", 1)));
  const [{ client: dev }, ...others] = keepers;
  const { members } = await dev.get("room:members", { room: "lobby" });
  const idOf = (who) => members.find(({ name }) => name === who).id;
  const { room } = await dev.get("room:create", { room: "den" });
  const invite = (client, user, role) => client.get("room:invite", { room, user, role });
  for (const { client } of others) await invite(dev, idOf(client.who), "moderator");
  const old = Array.from({ length: 200 }, (_, i) => `old-${String(i).padStart(3, "0")}`);
  await Promise.all(keepers.map(async ({ client }, i) => {
    for (const user of old.slice(50 * i, 50 * (i + 1))) await invite(client, user, "read_only");
  }));
  await invite(dev, idOf("ada"), "moderator");
  for (let i = 0; i < 201; i++) await dev.get("moderation:mute", { room, user: `loud-${i}` });
  const { acts } = await dev.get("moderation:record", { room, limit: 200 });
  assert.ok(acts.every(({ deed }) => deed === "mute"), "the newest acts tell nothing of roles");

  await notice(ada, "dev has invited you to den.").getByRole("button", { name: "Open den" }).click();
  await stands(ada, "den");
  await chooses(ada, "People and roles");
  const dialog = ada.page.getByRole("dialog");
  const roles = dialog.getByRole("list", { name: "Who has a role" }).getByRole("listitem");
  await roles.first().filter({ hasText: "dev" }).waitFor();
  const shown = await roles.locator(".hint").allInnerTexts();
  assert.deepEqual(shown, ["Owner", ...Array(4).fill("Moderator"), ...old.map(() => "Reads only")]);
  assert.equal(await dialog.getByText("others may have a role too").count(), 0);
  await dialog.getByRole("region", { name: "Banned or silenced" }).getByText("Only the newest 200 are looked at").waitFor();
  assert.deepEqual(stage.complaints, []);
});
