// Takes pictures of the page in its main states, with people who have something to say: into
// docs/pictures/ where HUBBUB_PICTURES is set (`make pictures`), or else where nobody keeps them.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { pause, play } from "./stage.mjs";

const PICTURES = process.env.HUBBUB_PICTURES
  ? new URL("../../../docs/pictures/", import.meta.url)
  : pathToFileURL(`${mkdtempSync(join(tmpdir(), "hubbub-pictures-"))}/`);
const at = (name) => new URL(`${name}.png`, PICTURES).pathname;

const TALK = [
  ["Mira", "Morning! The new balancer config is live on staging."],
  ["Mira", "I put two nodes behind it, amber and basalt. Feel free to kill one, that is what they are there for."],
  ["Jonas", "Did that already, twice 😄"],
  ["Jonas", "The page says it has moved me, and the conversation just goes on."],
  ["Amina", "Same here. I was in the middle of a sentence and did not lose a word."],
  ["Søren", "Notes from yesterday are at https://wiki.example.org/hubbub/failover (the part on gaps is new)."],
  ["Mira", "Nice. Two things left for today:\n· read the runbook once more\n· let somebody who has never seen it follow it"],
  ["Amina", "I can be that somebody."],
  ["يوسف", "وأنا أيضاً، بعد الغداء."],
  ["Jonas", "Then I will bring the coffee ☕"],
];

async function talk(stage) {
  const people = new Map();
  for (const [who, text] of TALK) {
    if (!people.has(who)) people.set(who, await stage.speaker(who, "lobby"));
    await people.get(who).says(text);
  }
  for (const room of ["design", "release-day", "tea"]) await stage.seed(room, 3, { names: ["Amina"] });
  return people;
}

play("the pictures of the main states are taken", async (stage) => {
  mkdirSync(PICTURES, { recursive: true });
  const people = await talk(stage);
  const options = { deviceScaleFactor: 1 };
  const open = async (name, context) => {
    const seat = await stage.seat(name, { context: { ...options, ...context } });
    for (const room of ["design", "release-day", "tea", "lobby"]) {
      await seat.page.evaluate((to) => (location.hash = to), room);
      await seat.page.locator("h1", { hasText: room }).waitFor();
    }
    await seat.sees("coffee");
    await seat.page.evaluate(() => document.activeElement.blur());
    return seat;
  };

  const light = await open("Lena", { colorScheme: "light", viewport: { width: 1280, height: 800 } });
  const design = await stage.speaker("Søren", "design");
  for (const text of ["Sketches are up", "Have a look when you can"]) await design.says(text);
  await light.page.locator("#rooms li.unread").waitFor();
  await light.says("Good morning everybody. I follow from the train, so expect gaps");
  await light.page.locator("article.sent", { hasText: "from the train" }).waitFor();
  people.get("Mira").client.emit("typing:start", { room: "lobby" });
  await light.page.locator("#typing", { hasText: "Mira" }).waitFor();
  await pause(300);
  await light.page.screenshot({ path: at("wide-light") });

  await light.page.keyboard.press("Control+k");
  await light.page.locator("#switcher").waitFor();
  await pause(300);
  await light.page.screenshot({ path: at("switcher") });
  await light.page.keyboard.press("Escape");

  const own = await open("Ingrid", { colorScheme: "light", viewport: { width: 1280, height: 800 } });
  await own.page.locator("#people").getByRole("button", { name: "Amina" }).click();
  await own.page.getByRole("button", { name: "Message Amina" }).click();
  await own.page.locator("h1", { hasText: "Amina" }).waitFor();
  await own.page.getByRole("button", { name: "Join or create a room" }).click();
  await own.page.fill("#room-name", "surprise-party");
  await own.page.getByRole("radio", { name: "Private" }).check();
  await own.page.getByRole("button", { name: "Create “surprise-party”" }).click();
  await own.page.locator("h1", { hasText: "surprise-party" }).waitFor();
  await own.says("Nobody tells Jonas!");
  await own.page.locator("article.sent").waitFor();
  await own.page.getByRole("button", { name: "More about this room" }).click();
  await own.page.getByRole("menuitem", { name: "People and roles" }).click();
  for (const who of ["Amina", "Mira"]) {
    await own.page.getByRole("button", { name: `Invite ${who}` }).click();
    await own.page.getByText(`${who} is invited.`).waitFor();
  }
  await own.page.mouse.move(0, 0);
  await pause(300);
  await own.page.screenshot({ path: at("private") });

  const dark = await open("Noor", { colorScheme: "dark", viewport: { width: 1280, height: 800 } });
  await pause(300);
  await dark.page.screenshot({ path: at("wide-dark") });

  const narrow = await open("Tomás", { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
  await pause(300);
  await narrow.page.screenshot({ path: at("narrow") });

  await light.context.setOffline(true);
  await light.page.locator("#banner.bad").waitFor();
  await light.says("In a tunnel now: this one waits.");
  await pause(300);
  await light.page.screenshot({ path: at("banner-offline") });

  await stage.nodes[0].kill();
  await dark.banner("You are on basalt now");
  await dark.page.screenshot({ path: at("banner-moved") });

  const failed = await stage.seat("Lena", { at: 1, fail: true });
  await failed.sees("coffee");
  await failed.says("Here is all of the log from last night, in one message");
  await failed.page.locator("article.failed").waitFor();
  await pause(200);
  await failed.page.screenshot({ path: at("failed") });
  assert.deepEqual(stage.complaints, []);
});
