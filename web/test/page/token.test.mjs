// Tokens: asked for where the server lets in nobody without one, brought by a link, renewed, and what they allow.
import assert from "node:assert/strict";
import { after } from "node:test";

import { Client } from "../../../tests/clients/harness/client.mjs";
import { startIssuer } from "../../../tests/clients/harness/tokens.mjs";
import { play } from "./stage.mjs";

const { env: JWT, mint, ended, keep, close } = startIssuer();
after(close);
const SECRET = "only those who keep order here have this";
/** Guests come in, and who has the secret is an admin. */
const GUESTS = { HUBBUB__AUTH__ADMIN_SECRET_FILE: keep("admin_secret", SECRET) };

/** Somebody who comes by a link. */
async function comes(stage, token) {
  const seat = await stage.seat(null, { room: `token=${token}` });
  await seat.isOn();
  return seat;
}

const title = (seat, text) => seat.page.locator("h1", { hasText: text }).waitFor();
const card = (seat, text) => seat.page.locator(".card", { hasText: text });

async function brings(seat, token) {
  await seat.page.fill("#token", token);
  await seat.page.press("#token", "Enter");
}

async function chooses(seat, item) {
  await seat.page.click(".own");
  await seat.page.getByRole("menuitem", { name: item }).click();
  await seat.page.getByRole("dialog", { name: item }).waitFor();
}

async function looksAt(seat, who) {
  await seat.page.locator("#people").getByRole("button", { name: who }).click();
  const dialog = seat.page.getByRole("dialog", { name: who });
  await dialog.getByRole("button", { name: `Message ${who}` }).waitFor();
  return dialog;
}

async function closes(seat) {
  await seat.page.keyboard.press("Escape");
  await seat.page.getByRole("dialog").waitFor({ state: "detached" });
}

async function silences(seat, who) {
  const dialog = await looksAt(seat, who);
  await dialog.getByRole("button", { name: "Silence", exact: true }).click();
  await dialog.getByRole("button", { name: `Silence ${who}` }).click();
  await dialog.getByText(`${who} may not write here now.`).waitFor();
}

for (const [kind, context] of [["light", {}], ["dark", { colorScheme: "dark" }], ["narrow", { viewport: { width: 390, height: 780 } }]]) {
  play(`a server that asks for a token, ${kind}: the gate asks for it, says what is wrong with it, and this tab alone keeps it`, async (stage) => {
    const ada = await stage.seat(null, { context });
    const { page } = ada;
    await page.fill("#name", "visitor");
    await page.press("#name", "Enter");
    await title(ada, "This server asks for a token");
    await page.waitForFunction(() => document.activeElement.id === "token");
    assert.equal(await page.getAttribute("#token", "type"), "password");
    assert.equal(await page.inputValue("#name"), "visitor");
    assert.deepEqual(await ada.axe(), []);
    await page.press("#token", "Enter");
    assert.equal(await page.locator("#token:invalid").count(), 1, "without one there is no way in");

    await brings(ada, `${mint("ada").slice(0, -8)}AAAAAAAA`);
    await title(ada, "Your token is not valid here");
    await page.getByRole("alert").getByText("Copy it once more, or ask for a new one.").waitFor();
    assert.equal(await page.inputValue("#token"), "");
    assert.deepEqual(await ada.axe(), []);

    await brings(ada, ` ${mint("ada", { name: "Ada L" })}\n`);
    await ada.isOn();
    const menu = page.getByRole("button", { name: "Show rooms" });
    if (await menu.count()) await menu.click();
    await page.locator("#me", { hasText: "Ada L" }).waitFor();
    await chooses(ada, "Your token");
    await page.getByText("You are here as: Member").waitFor();
    await page.getByText("Your token ends:").waitFor();
    assert.deepEqual(await ada.axe(), []);

    const stored = (kind) => page.evaluate((kind) => JSON.stringify(globalThis[kind]), kind);
    assert.ok(!(await stored("localStorage")).includes("eyJ"), "no other tab has it");
    assert.ok((await stored("sessionStorage")).includes("eyJ"));
    await page.reload();
    await ada.isOn();
    const other = await ada.context.newPage();
    await other.goto(ada.balancer.url);
    await other.locator("h1", { hasText: "This server asks for a token" }).waitFor();
    await other.close();

    if (await menu.count()) await menu.click();
    await chooses(ada, "Your token");
    await page.getByRole("button", { name: "Sign out" }).click();
    await title(ada, "This server asks for a token");
    assert.ok(!(await stored("sessionStorage")).includes("eyJ"));
    assert.deepEqual(stage.complaints, []);
  }, { nodes: ["amber"], env: JWT });
}

play("a token in a link: taken, and nowhere in the address, the history or what the server hears of addresses", async (stage) => {
  const ada = await comes(stage, mint("ada"));
  const { page } = ada;
  const asked = [];
  page.on("request", (request) => asked.push(`${request.url()} ${JSON.stringify(request.headers())}`));
  const session = await ada.context.newCDPSession(page);
  const places = async () => (await session.send("Page.getNavigationHistory")).entries.map(({ url }) => url);
  const tells = (text) => text.includes("eyJ");
  await page.locator("#me", { hasText: "ada" }).waitFor();
  assert.equal(new URL(page.url()).hash, "#lobby");
  assert.equal((await places()).find(tells), undefined);

  // Into a page that is open already.
  await page.evaluate((to) => void (location.href = to), `${ada.balancer.url}/#token=${encodeURIComponent(mint("bob"))}`);
  await page.locator("#me", { hasText: "bob" }).waitFor();
  await ada.isOn();
  assert.equal((await places()).find(tells), undefined);
  assert.ok(asked.length > 0 && !asked.some(tells), "a fragment is not sent");
  assert.ok(!tells(stage.nodes[0].said));
  assert.deepEqual(stage.complaints, []);
}, { nodes: ["amber"], env: JWT });

play("a token that is about to end: said in time, renewed on the same connection, or else asked for at the gate", async (stage) => {
  const ada = await comes(stage, mint("ada", { expires: "30m" }));
  const { page } = ada;
  let sockets = 0;
  page.on("websocket", () => sockets++);
  await card(ada, "Your token ends soon").waitFor();
  assert.deepEqual(await ada.axe(), []);
  await page.fill("#text", "half a sentence");

  await card(ada, "Your token ends soon").getByRole("button", { name: "Renew" }).click();
  await page.getByRole("dialog", { name: "Your token" }).waitFor();
  await brings(ada, "no token at all");
  await page.getByRole("alert").getByText("This token is not valid here").waitFor();
  await brings(ada, mint("bob"));
  await page.getByRole("alert").getByText("This token is somebody else’s.").waitFor();
  assert.deepEqual(await ada.axe(), []);
  await brings(ada, mint("ada"));
  await card(ada, "You stay. Your new token ends:").waitFor();
  await card(ada, "Your token ends soon").waitFor({ state: "detached" });
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.deepEqual([sockets, await page.inputValue("#text")], [0, "half a sentence"]);

  // The next one runs out.
  await chooses(ada, "Your token");
  await brings(ada, mint("ada", { expires: "8s" }));
  await card(ada, "Your token ends soon").waitFor();
  await title(ada, "Your token has ended");
  await page.getByRole("alert").getByText("Ask for a new one").waitFor();
  assert.deepEqual(await ada.axe(), []);
  assert.ok(!(await page.evaluate(() => JSON.stringify(sessionStorage))).includes("eyJ"));
  await brings(ada, ended("ada"));
  await title(ada, "Your token is not valid here");
  await brings(ada, mint("ada"));
  await ada.isOn();
  assert.equal(await page.inputValue("#text"), "half a sentence");

  // Withdrawn by an admin.
  const root = await new Client(stage.nodes[0].url, { client: "sio48", transport: "websocket", namespace: "/chat", auth: { token: mint("root", { role: "admin" }) }, who: "root" }).opened();
  await root.get("moderation:revoke", { user: "ada" });
  root.close();
  await title(ada, "Your token was withdrawn");
  assert.deepEqual(stage.complaints, []);
}, { nodes: ["amber"], env: JWT });

play("a guest signs in with the secret, keeps order in the lobby, and is a guest again; a wrong one costs nobody their name", async (stage) => {
  const ada = await stage.seat("ada", { at: 0 });
  const bob = await stage.seat("bob", { at: 1 });
  const idOf = async () => {
    await ada.page.locator("#people").getByRole("button", { name: "ada" }).click();
    const id = await ada.page.getByRole("dialog").locator("code").innerText();
    await closes(ada);
    return id;
  };
  const id = await idOf();
  let dialog = await looksAt(ada, "bob");
  assert.equal(await dialog.getByText("Keep order").count(), 0);
  await closes(ada);

  await chooses(ada, "Sign in with a token");
  assert.deepEqual(await ada.axe(), []);
  await brings(ada, "not the secret, but as long as one has to be");
  await title(ada, "Your token is not valid here");
  await ada.page.getByText("Without one you come in as a guest").waitFor();
  assert.deepEqual(await ada.axe(), []);
  await ada.page.press("#token", "Enter");
  await ada.isOn();
  assert.equal(await idOf(), id, "she is still who she was");

  await chooses(ada, "Sign in with a token");
  await brings(ada, SECRET);
  await ada.isOn();
  await ada.page.locator(".own", { hasText: "Admin" }).waitFor();
  assert.equal(await idOf(), id);
  await silences(ada, "bob");
  assert.deepEqual(await ada.axe(), []);
  await bob.page.locator(".silent", { hasText: "You may not write here until" }).waitFor();
  await dialog.getByLabel("Role in this room").selectOption({ label: "Moderator" });
  await dialog.getByRole("button", { name: "Change role" }).click();
  await dialog.getByText("The role is changed.").waitFor();
  await card(bob, "Your role in lobby is now: Moderator.").waitFor();
  await closes(ada);
  await ada.page.getByRole("button", { name: "More about this room" }).click();
  await ada.page.getByRole("menuitem", { name: "People and roles" }).click();
  await ada.page.getByRole("list", { name: "Who has a role" }).getByRole("button", { name: "bob" }).waitFor();
  assert.deepEqual(await ada.axe(), []);
  await closes(ada);

  // By a tutorial's page one is somebody, too.
  const tutor = await new Client(stage.nodes[1].url, { client: "sio48", transport: "websocket", who: "tutor" }).opened();
  tutor.emit("adduser", "tutor");
  await ada.page.locator("#people").getByRole("button", { name: "tutor" }).click();
  dialog = ada.page.getByRole("dialog", { name: "tutor" });
  await dialog.getByText("They are somebody else whenever they load it").waitFor();
  await dialog.getByRole("button", { name: "Send out", exact: true }).click();
  await dialog.getByRole("button", { name: "Send tutor out" }).click();
  await tutor.next("disconnect");
  assert.deepEqual(await ada.axe(), []);
  await closes(ada);

  await ada.page.reload();
  await ada.page.locator(".own", { hasText: "Admin" }).waitFor();
  await chooses(ada, "Your token");
  assert.equal(await ada.page.locator("#token").count(), 0, "a secret has no end, and is not renewed");
  assert.deepEqual(await ada.axe(), []);
  await ada.page.getByRole("button", { name: "Sign out" }).click();
  await ada.page.locator(".own", { hasText: "Admin" }).waitFor({ state: "detached" });
  await ada.isOn();
  assert.equal(await idOf(), id);
  dialog = await looksAt(ada, "bob");
  assert.equal(await dialog.getByText("Keep order").count(), 0);
  assert.deepEqual(stage.complaints, []);
}, { env: GUESTS });

play("a moderator of the server keeps order in the lobby, and sees who has a role there", async (stage) => {
  const mia = await comes(stage, mint("mia", { role: "moderator" }));
  const bob = await comes(stage, mint("bob"));
  await mia.page.locator(".own", { hasText: "Moderator" }).waitFor();
  await silences(mia, "bob");
  assert.deepEqual(await mia.axe(), []);
  await bob.page.locator(".silent", { hasText: "You may not write here until" }).waitFor();
  await mia.page.getByRole("dialog").getByRole("button", { name: "Let bob write again" }).click();
  await bob.page.locator("textarea").waitFor();
  await mia.page.getByLabel("Role in this room").selectOption({ label: "Member" });
  await mia.page.getByRole("button", { name: "Change role" }).click();
  await mia.page.getByText("The role is changed.").waitFor();
  await closes(mia);
  await mia.page.getByRole("button", { name: "More about this room" }).click();
  await mia.page.getByRole("menuitem", { name: "People and roles" }).click();
  await mia.page.getByRole("list", { name: "Who has a role" }).getByRole("button", { name: "bob" }).waitFor();
  assert.deepEqual(await mia.axe(), []);
  await closes(mia);

  // What a token says one is called is not changed here.
  await chooses(bob, "Change name");
  await bob.page.fill("#name", "robert");
  await bob.page.press("#name", "Enter");
  await bob.page.getByRole("alert").getByText("Your token says what you are called.").waitFor();
  assert.deepEqual(stage.complaints, []);
}, { nodes: ["amber"], env: JWT });
