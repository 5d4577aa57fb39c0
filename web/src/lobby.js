// The lobby: what was acknowledged is shown once and in order, and what was not is sent again.
/* global io */
"use strict";

const ROOM = "lobby";
/** How long to wait for an ack before the same `mid` is sent again. */
const ACK_WITHIN_MS = 8_000;
/** `typing:start` is repeated this often while the person types, and ended after as long without a key. */
const TYPING_EVERY_MS = 3_000;
/** Rows and names beyond these are left out, so that the page stays light. */
const MOST_ROWS = 500;
const MOST_NAMES = 200;

const $ = (id) => document.getElementById(id);
const state = $("state");
const nameForm = $("name-form");
const nameInput = $("name");
const composer = $("composer");
const text = $("text");
const log = $("log");
const rows = $("messages");

// === What is remembered between visits

const kept = {
  get name() { return localStorage.getItem("hubbub.name") ?? ""; },
  set name(name) { localStorage.setItem("hubbub.name", name); },
  get session() { return localStorage.getItem("hubbub.session") ?? undefined; },
  set session(session) {
    if (session) localStorage.setItem("hubbub.session", session);
    else localStorage.removeItem("hubbub.session");
  },
};

// === The connection

const socket = io("/chat", {
  autoConnect: false,
  // WebSocket first: polling needs a balancer that keeps a client on one node.
  transports: ["websocket", "polling"],
  tryAllTransports: true,
  auth: (give) => give({ name: kept.name, session: kept.session }),
});

/** Asks and waits for the ack; a refusal, a silence and a lost connection all throw what they are. */
async function ask(event, payload) {
  const ack = await socket.timeout(ACK_WITHIN_MS).emitWithAck(event, payload);
  if (!ack.ok) throw Object.assign(new Error(ack.error.message), ack.error);
  return ack;
}

const wait = (ms) => new Promise((go) => setTimeout(go, ms));

/** Who we are and which node we are on, as `session:ready` said; nothing before the first one. */
let me;
let node;

socket.on("session:ready", (ready) => {
  me = ready.user;
  kept.session = ready.session;
  kept.name = me.name;
  nameInput.value = me.name;
  $("name-problem").textContent = "";
  for (const control of composer.elements) control.disabled = false;
  node = ready.node;
  sayConnected();
  joinRoom();
});

function sayConnected() {
  state.textContent = `Connected to ${node} as ${me.name}`;
}

socket.on("disconnect", (reason) => {
  joined = false;
  state.textContent = "Connection lost. Messages you send will wait here.";
  // The stock client stays away when the server ends a connection; we come back unless told not to.
  if (reason === "io server disconnect" && farewell?.reconnect !== false) comeBack(farewell?.after_ms);
});

/** What a refusal at the door means to a person; its text is its code. */
const REFUSALS = {
  bad_request: "This name cannot be used. Choose another.",
  reserved: "This name is reserved. Choose another.",
};

socket.on("connect_error", (error) => {
  if (socket.active) {
    state.textContent = "No connection. Trying again…";
    return;
  }
  const code = error.message;
  state.textContent = `Not let in: ${code}`;
  if (code === "unauthorized" && kept.session) {
    kept.session = undefined;
    comeBack(0);
  } else if (code in REFUSALS) {
    $("name-problem").textContent = REFUSALS[code];
    nameInput.focus();
  } else if (["unavailable", "draining", "internal"].includes(code)) {
    comeBack();
  }
});

/** The last `system:notice`: what the server said before it closed the connection. */
let farewell;
socket.on("system:notice", (notice) => {
  farewell = notice;
  const said = {
    draining: "This server is restarting. Moving to another one…",
    banned: "You were removed from this server.",
    replaced: "Signed in somewhere else.",
  };
  state.textContent = said[notice.code] ?? `The server says: ${notice.code}`;
});
socket.on("error:notice", (error) => { state.textContent = `The server says: ${error.message ?? error.code}`; });

function comeBack(afterMs = 1_000) {
  farewell = undefined;
  setTimeout(() => socket.connect(), afterMs + Math.random() * 500);
}

nameForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = nameInput.value.trim();
  if (!name) return;
  $("name-problem").textContent = "";
  if (!socket.connected) {
    kept.name = name;
    state.textContent = "Connecting…";
    socket.connect();
    return;
  }
  try {
    const ack = await ask("session:rename", { name });
    if (ack.session) kept.session = ack.session;
    kept.name = name;
    me = { ...me, name };
    sayConnected();
    text.focus();
  } catch (error) {
    $("name-problem").textContent = error.message;
  }
});

// === The room's log

/** The last entry shown: what a rejoin continues from. */
let cursor = { epoch: null, seq: 0 };
/** The rows shown, by the mid of their message: a row keeps its place from waiting to sent. */
const shown = new Map();
/** Live entries held back while the page before them is still under way. */
let held = [];
let joined = false;
let joining = false;

/** Joins and reads on from the cursor, page by page; starts over where continuity is lost. */
async function joinRoom() {
  if (joining || !socket.connected) return;
  joining = true;
  try {
    for (let more = true; more;) {
      const since = cursor.seq > 0 ? { since: cursor } : {};
      const page = await ask("room:join", { room: ROOM, ...since });
      if (page.reset) startOver();
      else if (page.truncated) noteGap();
      for (const message of page.messages) show(message, page.epoch);
      if (page.upto > cursor.seq && page.epoch) cursor = { epoch: page.epoch, seq: page.upto, mid: mids.get(page.upto) };
      showCount(page.count);
      // A newest page has more before it; only a page after a cursor has more to come.
      more = Boolean(since.since) && !page.reset && !page.truncated && page.has_more;
    }
    joined = true;
  } catch (error) {
    if (socket.connected && error.retryable !== false) {
      setTimeout(joinRoom, error.retry_after_ms ?? 1_000);
    } else if (socket.connected) {
      state.textContent = `The lobby cannot be joined: ${error.message}`;
    }
  } finally {
    joining = false;
  }
  const entries = held;
  held = [];
  entries.forEach(live);
  if (joined) {
    flush();
    listPeople();
  }
}

/** The mids of the last entries, so that a cursor names the entry it stands at. */
const mids = new Map();

function live(message) {
  if (message.room !== ROOM) return;
  if (joining) held.push(message);
  else if (cursor.epoch && message.epoch !== cursor.epoch) repair();
  else if (message.seq <= cursor.seq) return;
  else if (message.seq > cursor.seq + 1) repair();
  else show(message, message.epoch);
}
socket.on("message:new", live);

socket.on("room:head", (head) => {
  if (head.room === ROOM && (head.epoch !== cursor.epoch || head.seq > cursor.seq)) repair();
});

socket.on("room:reset", (reset) => {
  if (reset.room !== ROOM) return;
  startOver();
  repair();
});

let repairing;
/** Reads what is missing, after a moment of its own, or one lost entry makes every member ask at once. */
function repair() {
  clearTimeout(repairing);
  repairing = setTimeout(joinRoom, 50 + Math.random() * 200);
}

function startOver() {
  cursor = { epoch: null, seq: 0 };
  mids.clear();
  const waiting = new Set(outbox.map((entry) => entry.mid));
  for (const [mid, row] of shown) {
    if (waiting.has(mid)) continue;
    row.remove();
    shown.delete(mid);
  }
  rows.querySelectorAll("li.gap").forEach((row) => row.remove());
}

function noteGap() {
  const row = element("li", "gap");
  row.append(element("span", "note", "Older messages are missing here."));
  place(row);
}

// === Rows

/** Shows an entry of the log once; one of our own takes over the row that was waiting for it. */
function show(message, epoch) {
  const { seq, mid } = message;
  if (epoch === cursor.epoch && seq <= cursor.seq) return;
  cursor = { epoch, seq, mid };
  mids.set(seq, mid);
  if (mids.size > MOST_ROWS) mids.delete(mids.keys().next().value);
  shown.get(mid)?.remove();
  outbox = outbox.filter((entry) => entry.mid !== mid);
  place(rowOf(message));
}

function rowOf({ mid, user, text: said, ts, seq }) {
  const row = element("li", seq ? "" : "waiting");
  const when = element("time", "", ts ? new Date(ts).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "");
  if (ts) when.dateTime = new Date(ts).toISOString();
  const body = element("span", "text", said);
  body.dir = "auto";
  row.append(element("bdi", "who", user?.name || "guest"), " ", when, body);
  row.dataset.mid = mid;
  shown.set(mid, row);
  return row;
}

/** Appends a row, before those still waiting; the view follows only if it was at the end. */
function place(row) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const firstWaiting = row.classList.contains("waiting") ? null : rows.querySelector("li.waiting");
  rows.insertBefore(row, firstWaiting);
  while (rows.childElementCount > MOST_ROWS) {
    shown.delete(rows.firstElementChild.dataset.mid);
    rows.firstElementChild.remove();
  }
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function element(name, className, content = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = content;
  return made;
}

// === Sending

/** What was written and not yet acknowledged, oldest first. */
let outbox = [];
let flushing = false;

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!text.value.trim()) return;
  const entry = { mid: newMid(), text: text.value };
  text.value = "";
  stopTyping({ silently: true });
  outbox.push(entry);
  place(rowOf({ ...entry, user: me }));
  log.scrollTop = log.scrollHeight;
  flush();
});

/** `randomUUID` is there in secure contexts only, and a page served over plain http to another host is none. */
function newMid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Sends what waits, one at a time so that the order stays, each under its own mid until it is acked. */
async function flush() {
  if (flushing) return;
  flushing = true;
  while (joined && outbox.length > 0) {
    const [entry] = outbox;
    try {
      await ask("message:send", { room: ROOM, text: entry.text, mid: entry.mid });
      shown.get(entry.mid)?.classList.remove("waiting");
    } catch (error) {
      if (error.retryable === false) {
        refuse(entry, error);
      } else {
        await wait(error.retry_after_ms ?? 500);
        continue;
      }
    }
    outbox = outbox.filter((other) => other !== entry);
  }
  flushing = false;
}

function refuse(entry, error) {
  const row = shown.get(entry.mid);
  row?.classList.replace("waiting", "failed");
  row?.append(element("span", "note", `Not sent: ${error.message}`));
  if (!text.value) text.value = entry.text;
}

// === Who is here

/** Names by user id. */
const people = new Map();

async function listPeople() {
  try {
    const listed = new Map();
    let cursorOfPage;
    do {
      const page = await ask("room:members", { room: ROOM, ...(cursorOfPage ? { cursor: cursorOfPage } : {}) });
      for (const person of page.members) listed.set(person.id, person.name);
      cursorOfPage = page.cursor;
      showCount(page.count);
    } while (cursorOfPage && listed.size < MOST_NAMES);
    people.clear();
    listed.forEach((name, id) => people.set(id, name));
    showPeople();
  } catch (error) {
    $("people").replaceChildren(element("li", "empty", `Not known: ${error.message}`));
  }
}

socket.on("presence:changed", ({ room, joined: came = [], left = [], changed = [], count }) => {
  if (room !== ROOM) return;
  for (const person of left) people.delete(person.id ?? person);
  for (const person of [...came, ...changed]) people.set(person.id, person.name);
  showCount(count);
  showPeople();
});

function showPeople() {
  const names = [...people.values()].filter(Boolean).sort((a, b) => a.localeCompare(b)).slice(0, MOST_NAMES);
  $("people").replaceChildren(...names.map((name) => {
    const row = element("li");
    row.append(element("bdi", "", name));
    return row;
  }));
}

function showCount(count) {
  if (Number.isInteger(count)) $("count").textContent = `(${count})`;
}

// === Typing

let typingSaid = 0;
let typingEnds;

text.addEventListener("input", () => {
  if (!text.value) return stopTyping({ silently: false });
  if (joined && Date.now() - typingSaid > TYPING_EVERY_MS) {
    typingSaid = Date.now();
    ask("typing:start", { room: ROOM }).catch(() => {});
  }
  clearTimeout(typingEnds);
  typingEnds = setTimeout(stopTyping, TYPING_EVERY_MS, { silently: false });
});

/** A sent message ends the typing on the server by itself, so nothing is said then. */
function stopTyping({ silently }) {
  clearTimeout(typingEnds);
  if (typingSaid && joined && !silently) ask("typing:stop", { room: ROOM }).catch(() => {});
  typingSaid = 0;
}

socket.on("typing", ({ room, users, more = 0 }) => {
  if (room !== ROOM) return;
  const others = users.map((user) => ({ id: user.id ?? user, name: user.name ?? people.get(user) ?? "someone" })).filter((user) => user.id !== me?.id);
  const names = others.map((user) => user.name).join(", ");
  const plural = others.length + more > 1;
  $("typing").textContent = names && `${names}${more ? ` and ${more} more` : ""} ${plural ? "are" : "is"} typing…`;
});

// === Begin

nameInput.value = kept.name;
if (kept.name) {
  state.textContent = "Connecting…";
  socket.connect();
} else {
  nameInput.focus();
}
