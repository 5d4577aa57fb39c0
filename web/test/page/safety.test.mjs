// Text is text: forty things that would like to be more, as message, name, room, conversation and draft.
import assert from "node:assert/strict";

import { pause, play } from "./stage.mjs";

const PAYLOADS = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "<svg onload=alert(1)>",
  "<svg><script>alert(1)</script></svg>",
  "<iframe src=javascript:alert(1)></iframe>",
  "<body onload=alert(1)>",
  "<a href=javascript:alert(1)>click</a>",
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)//http://x.example",
  "data:text/html,<script>alert(1)</script>",
  "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
  "vbscript:msgbox(1)",
  "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
  "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
  "<form><button formaction=javascript:alert(1)>go</button></form>",
  "<input autofocus onfocus=alert(1)>",
  "<details open ontoggle=alert(1)>",
  "<video><source onerror=alert(1)>",
  "<audio src=x onerror=alert(1)>",
  "<object data=javascript:alert(1)>",
  "<embed src=javascript:alert(1)>",
  "<link rel=stylesheet href=//evil.example/x.css>",
  "<style>*{display:none}</style>",
  "<base href=//evil.example/>",
  "<meta http-equiv=refresh content='0;url=//evil.example'>",
  "<template><script>alert(1)</script></template>",
  "{{constructor.constructor('alert(1)')()}}",
  "${alert(1)}",
  "<%= 7*7 %>",
  "#{7*7}",
  "\"><script>alert(1)</script>",
  "'-alert(1)-'",
  "</textarea><script>alert(1)</script>",
  "</title><script>alert(1)</script>",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
  "&#60;script&#62;alert(1)&#60;/script&#62;",
  "\u202Egnp.exe <b>bidi</b>",
  "expression(alert(1)); background:url(javascript:alert(1))",
  "__proto__ constructor toString <b>x</b>",
  "https://good.example@evil.example/ https://x.example/\"onmouseover=alert(1) http://<script>alert(1)</script>",
];

play("forty payloads stay text, as message, name, room and draft", async (stage) => {
  assert.equal(PAYLOADS.length, 40);
  const ada = await stage.seat("ada");
  const eve = await stage.speaker("<b>e</b>", "lobby", 1);
  const kinds = () => ada.page.evaluate(() => [...new Set([...document.querySelectorAll("#messages *")].map((each) => each.localName))].sort());
  await eve.says("plain");
  await ada.sees("plain");
  assert.equal(await ada.page.locator("article .who").first().innerText(), "<b>e</b>");
  const sent = [];
  for (const text of PAYLOADS) if ((await eve.client.ask("message:send", { room: "lobby", text, mid: `xss-payload-${String(sent.length).padStart(8, "0")}` })).ok) sent.push(text);
  assert.ok(sent.length >= 39, `the server took ${sent.length}`);
  await ada.sees("good.example@evil.example");

  const { sent: shown } = await ada.log();
  const bare = (text) => text.replace(/\s+/g, " ").trim();
  assert.deepEqual(shown.slice(-sent.length).map(bare), sent.map(bare));
  assert.deepEqual((await kinds()).filter((kind) => !["a", "article", "bdi", "div", "p", "path", "span", "strong", "svg", "time"].includes(kind)), []);
  const links = await ada.page.evaluate(() => [...document.querySelectorAll("#messages a")].map((a) => [a.protocol, a.hostname, a.rel, a.target]));
  for (const [protocol, host, rel, target] of links) {
    assert.match(protocol, /^https?:$/);
    assert.notEqual(host, "evil.example");
    assert.equal(rel, "noopener noreferrer nofollow ugc");
    assert.equal(target, "_blank");
  }
  await ada.page.locator("#people bdi", { hasText: "<b>e</b>" }).waitFor();

  // As a draft, through a reload; as a search for a room; in the address.
  await ada.page.fill("#text", PAYLOADS[1]);
  await ada.page.goto(`${ada.balancer.url}/#${encodeURIComponent("<img src=x onerror=alert(1)>")}`);
  await ada.page.reload();
  await ada.isOn();
  assert.equal(await ada.page.inputValue("#text"), PAYLOADS[1]);
  await ada.page.keyboard.press("Control+k");
  await ada.page.fill("#switcher", PAYLOADS[0]);
  await ada.page.locator("[role=option]", { hasText: "script-alert-1-script" }).waitFor();
  await ada.page.keyboard.press("Escape");

  const mallory = await stage.seat("<img src=x onerror=alert(1)>", { at: 1 });
  await mallory.says("<script>alert('me')</script>");
  await ada.sees("<script>alert('me')</script>");
  await pause(300);
  assert.deepEqual(stage.complaints, [], "no dialog, no report, no request");
});

play("forty payloads stay text, as the names of private rooms, of conversations and of who invites", async (stage) => {
  const ada = await stage.seat("ada", { overheard: true });
  await ada.page.locator("#people > li", { hasText: "ada" }).waitFor();
  const bare = (text) => text.replace(/\s+/g, " ").trim();
  const rooms = [];
  for (const [i, text] of PAYLOADS.entries()) {
    const by = { id: `g_${i}`, name: text };
    const room = `prv_${"a".repeat(26)}_${i} ${text}`;
    ada.say("room:invited", { room, role: "member", by });
    ada.say("room:invited", { room: `dm_${i}`, role: "member", by, with: by.id });
    rooms.push(`${i} ${text}`);
    await ada.page.locator(".card", { hasText: bare(text) }).last().waitFor();
  }
  const shown = async (list) => (await ada.page.locator(list).allInnerTexts()).map(bare);
  assert.deepEqual((await shown("#rooms ul:first-child bdi")).slice(1), rooms.map(bare));
  assert.deepEqual(await shown("#direct-title + ul bdi"), PAYLOADS.map(bare));
  await ada.page.keyboard.press("Control+k");
  await ada.page.locator("#switcher").waitFor();
  assert.deepEqual((await shown("[role=option] bdi")).sort(), ["lobby", ...rooms, ...PAYLOADS].map(bare).sort());
  await ada.page.keyboard.press("Escape");
  await ada.page.getByRole("dialog").waitFor({ state: "detached" });

  await ada.page.locator('#rooms a[href="#dm_1"]').click();
  await ada.page.locator("h1 bdi", { hasText: PAYLOADS[1] }).waitFor();
  await ada.page.waitForFunction((text) => document.title.includes(text), PAYLOADS[1]);
  const strange = await ada.page.evaluate(() => [...new Set([...document.querySelectorAll("#root *")].map((each) => each.localName))].filter((kind) => /^(script|img|iframe|style|link|base|meta|object|embed|video|audio|input|details|template|math|noscript|b)$/.test(kind)));
  assert.deepEqual(strange, []);
  await pause(300);
  assert.deepEqual(stage.complaints, [], "no dialog, no report, no request");
}, { nodes: ["amber"] });
