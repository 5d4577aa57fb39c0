// Every row of the tutorials' contract, spoken by the very client versions the tutorials load.
import assert from "node:assert/strict";

import { NATIVE, S0, S1, S2, S3, S4, TRANSPORTS } from "./harness/client.mjs";
import { ALONE, CLUSTER, on } from "./harness/stage.mjs";

const STAGES = [ALONE, CLUSTER];
const transports = process.env.HUBBUB_TEST_TRANSPORTS?.split(",") ?? Object.keys(TRANSPORTS);

/** Texts that must come back exactly as they went. */
const ODD_TEXTS = ["plain", " spaces around ", "<b>&amp;</b>", "naïve 👩‍👩‍👧 \u202e", "two\nlines", '"quoted" \\ {}', "42"];

/** One row of the contract, in every place and over every transport; `as(client)` says who connects. */
function row(number, name, tutorial, play) {
  for (const kind of STAGES) {
    for (const transport of transports) {
      on(kind, `${number} ${name}, ${transport}`, { tutorial }, (stage) => {
        const connect = (client) => (node, who) => stage.connect(node, { client, transport, who });
        return play(stage, { s0: connect(S0), s1: connect(S1), s2: connect(S2), s3: connect(S3), s4: connect(S4) });
      });
    }
  }
}

/** Something only ours does, since no tutorial has two dialects. */
function between(name, play) {
  for (const kind of STAGES) on(kind, `between dialects: ${name}`, {}, play);
}

const texts = ([{ msg }]) => msg.map((post) => post.text);
const newestIs = (text) => ({ msg }) => msg[0]?.text === text;
const list = (...names) => (users) => JSON.stringify(users) === JSON.stringify(names);

// === S0: msg:get and msg:post

row("0.1", "a client is told the history at once, without asking", "S0", async ({ here }, { s0 }) => {
  const first = await s0(here);

  assert.deepEqual(await first.next("msg:get"), [{ msg: [] }]);
});

row("0.2", "a post keeps user and text, gains a time and loses everything else", "S0", async ({ here, there }, { s0 }) => {
  const writer = await s0(here, "writer");
  const reader = await s0(there, "reader");

  const before = Date.now();
  writer.emit("msg:post", { user: "ada", text: "hello", time: 1, id: "mine", admin: true });

  for (const client of [writer, reader]) {
    const [{ msg, ...rest }, ...more] = await client.next("msg:get", newestIs("hello"));
    assert.deepEqual([rest, more], [{}, []]);
    const [{ time, ...post }] = msg;
    assert.deepEqual(post, { user: "ada", text: "hello" });
    assert.ok(Number.isInteger(time) && Math.abs(time - before) < 60_000, `time is now in ms: ${time}`);
  }
});

row("0.3", "everybody gets the whole history after a post, newest first", "S0", async ({ here, there }, { s0 }) => {
  const writer = await s0(here, "writer");
  const reader = await s0(there, "reader");

  for (const text of ["one", "two", "three"]) {
    writer.emit("msg:post", { user: "ada", text });
    await writer.next("msg:get", newestIs(text));
  }

  assert.deepEqual(texts(await reader.next("msg:get", newestIs("three"))), ["three", "two", "one"]);
  assert.deepEqual(texts(await (await s0(there, "late")).next("msg:get")), ["three", "two", "one"]);
});

for (const kind of STAGES) {
  on(kind, "0.3 the history ends after the newest 50", { tutorial: "S0" }, async (stage) => {
    const reader = await stage.connect(stage.there, { client: S0, who: "reader" });

    const said = [];
    for (let round = 0; round < 6; round++) {
      const writer = await stage.connect(stage.here, { client: S0, who: `writer ${round}` });
      for (let i = 0; i < 10; i++) {
        said.unshift(`${round}-${i}`);
        writer.emit("msg:post", { user: "ada", text: said[0] });
      }
      await reader.next("msg:get", newestIs(said[0]));
    }

    const late = await stage.connect(stage.there, { client: S0, who: "late" });
    assert.deepEqual(texts(await late.next("msg:get")), said.slice(0, 50));
  });

  on(kind, "0.3 the history survives that every node is killed", {}, async (stage) => {
    const writer = await stage.connect(stage.here, { client: S0, who: "writer" });
    writer.emit("msg:post", { user: "ada", text: "kept" });
    const [before] = await writer.next("msg:get", newestIs("kept"));

    for (const node of stage.nodes) await node.kill();
    for (const node of stage.nodes) await node.start();

    const back = await stage.connect(stage.there, { client: S0, who: "back" });
    assert.deepEqual(await back.next("msg:get"), [before]);
  });
}

// === S1: adduser, users, private, message

row("1.1 1.2", "names are listed in the order they joined, twice if taken twice", "S1", async ({ here, there }, { s1 }) => {
  const first = await s1(here, "first");
  const second = await s1(there, "second");

  first.emit("adduser", "ada");
  await second.next("users", list("ada"));
  second.emit("adduser", "bob");
  await first.next("users", list("ada", "bob"));
  first.emit("adduser", "ada");

  for (const client of [first, second]) {
    assert.deepEqual(await client.next("users", list("ada", "bob", "ada")), [["ada", "bob", "ada"]]);
  }
});

row("1.3", "who joins is told so in private, after everybody has the list", "S1", async ({ here, there }, { s1 }) => {
  const joiner = await s1(here, "joiner");
  const other = await s1(there, "other");

  joiner.emit("adduser", "ada");

  const [told, ...more] = await joiner.next("private");
  assert.deepEqual(more, []);
  assert.deepEqual({ ...told, id: "" }, { id: "", name: "ada", msg: "secret message" });
  assert.ok(told.id, "private has an id");
  assert.deepEqual(joiner.names().filter((event) => ["users", "private"].includes(event)), ["users", "private"]);
  // The other's own list comes after whatever it might wrongly have been told of the first.
  other.emit("adduser", "bob");
  assert.equal((await other.next("private"))[0].name, "bob");
  assert.equal(other.all("private").length, 1);
});

row("1.4 1.5", "a message goes to all with its author's name and id", "S1", async ({ here, there, tutorial }, { s1 }) => {
  const writer = await s1(here, "writer");
  const reader = await s1(there, "reader");
  writer.emit("adduser", "ada");
  const [{ id }] = await writer.next("private");

  for (const text of ["hello", "", ...ODD_TEXTS]) {
    writer.emit("message", text);
    for (const client of [writer, reader]) {
      assert.deepEqual(await client.next("message"), [{ message: text, user: "ada", id }]);
    }
  }
  if (!tutorial) assert.ok(!writer.secrets.includes(id), "the id is not the secret one of the socket");
});

row("1.5", "a message of somebody without a name has no user key", "S1", async ({ here, there }, { s1 }) => {
  const writer = await s1(here, "writer");
  const reader = await s1(there, "reader");

  writer.emit("message", "who am I?");

  for (const client of [writer, reader]) {
    const [payload] = await client.next("message");
    assert.deepEqual(Object.keys(payload).sort(), ["id", "message"]);
    assert.equal(payload.message, "who am I?");
  }
});

row("1.6", "when somebody with a name goes, the others are told who remains", "S1", async ({ here, there, tutorial }, { s1 }) => {
  const staying = await s1(there, "staying");
  const leaving = await s1(here, "leaving");
  const twin = await s1(here, "twin");
  staying.emit("adduser", "bob");
  await leaving.next("users", list("bob"));
  leaving.emit("adduser", "ada");
  await leaving.next("users", list("bob", "ada"));
  twin.emit("adduser", "ada");
  for (const client of [staying, twin]) {
    await client.next("users", list("bob", "ada", "ada"));
    client.forget();
  }

  leaving.close();

  for (const client of [staying, twin]) {
    assert.deepEqual(await client.next("user"), [["bob", "ada"]], "one of two equal names remains");
    if (!tutorial) assert.deepEqual(await client.next("users", list("bob", "ada")), [["bob", "ada"]]);
  }
});

row("1.6", "nobody is told when somebody without a name goes", "S1", async ({ here, there }, { s1 }) => {
  const nameless = await s1(here, "nameless");
  const named = await s1(here, "named");
  const staying = await s1(there, "staying");
  staying.emit("adduser", "bob");
  named.emit("adduser", "ada");
  await staying.next("users", (users) => users.length === 2);

  nameless.close();
  named.close();

  assert.deepEqual(await staying.next("user"), [["bob"]]);
  assert.equal(staying.all("user").length, 1);
});

// === S2 and S4: chat message

for (const [numbers, tutorial, as] of [["2.1 2.2", "S2", "s2"], ["4.1 4.2", "S4", "s4"]]) {
  row(numbers, "a text comes back to all exactly as it was", tutorial, async ({ here, there }, connect) => {
    const writer = await connect[as](here, "writer");
    const reader = await connect[as](there, "reader");

    for (const text of ["", ...ODD_TEXTS]) {
      writer.emit("chat message", text);
      for (const client of [writer, reader]) assert.equal((await client.next("chat message"))[0], text);
    }
  });

  row(numbers, "one sender's texts keep their order", tutorial, async ({ here, there }, connect) => {
    const writer = await connect[as](here, "writer");
    const reader = await connect[as](there, "reader");

    const sent = Array.from({ length: 15 }, (_, i) => `text ${i}`);
    sent.forEach((text) => writer.emit("chat message", text));

    for (const client of [writer, reader]) {
      await client.next("chat message", (text) => text === sent.at(-1));
      assert.deepEqual(client.all("chat message").map(([text]) => text), sent);
    }
  });
}

// === S3: greetings

const HELLO = "IO_SERVER_HELLO";
const [EVERYONE, ROOM, YOU] = ["Hello everyone!", "Hello clients of room hello-1234!", "Hello you!"];
const isYou = (greeting) => greeting === YOU;
const greetings = (client) => client.all(HELLO).map(([greeting]) => greeting);

row("3.1–3.4", "a joiner is greeted as everyone, as the room, as itself, in this order", "S3", async ({ here, there }, { s3 }) => {
  const outside = await s3(there, "outside");
  const joiner = await s3(here, "joiner");

  joiner.emit("IO_CLIENT_JOIN_ROOM", "hello-1234");

  await joiner.next(HELLO, isYou);
  assert.deepEqual(greetings(joiner), [EVERYONE, ROOM, YOU]);
  await outside.next(HELLO);
  // Its own joining comes after whatever it might wrongly have heard of the room before.
  outside.emit("IO_CLIENT_JOIN_ROOM", "elsewhere");
  await outside.next(HELLO, isYou);
  assert.deepEqual(greetings(outside), [EVERYONE, EVERYONE, "Hello clients of room elsewhere!", YOU]);
});

row("3.3", "those in the room are greeted again when somebody joins on another node", "S3", async ({ here, there }, { s3 }) => {
  const first = await s3(here, "first");
  const second = await s3(there, "second");
  first.emit("IO_CLIENT_JOIN_ROOM", "hello-1234");
  await first.next(HELLO, isYou);

  second.emit("IO_CLIENT_JOIN_ROOM", "hello-1234");

  await second.next(HELLO, isYou);
  await first.next(HELLO, (greeting) => greeting === EVERYONE);
  await first.next(HELLO, (greeting) => greeting === ROOM);
  await first.next(HELLO, (greeting) => greeting === EVERYONE);
  await first.next(HELLO, (greeting) => greeting === ROOM);
  assert.deepEqual(greetings(first), [EVERYONE, ROOM, YOU, EVERYONE, ROOM]);
});

row("3.4", "the order holds for two who join at once on two nodes", "S3", async ({ here, there }, { s3 }) => {
  const joiners = [await s3(here, "one"), await s3(there, "other")];

  for (let round = 1; round <= 5; round++) {
    for (const joiner of joiners) joiner.emit("IO_CLIENT_JOIN_ROOM", "hello-1234");
    for (const joiner of joiners) await joiner.next(HELLO, isYou);
  }

  for (const joiner of joiners) {
    const heard = { [EVERYONE]: 0, [ROOM]: 0, [YOU]: 0 };
    for (const greeting of greetings(joiner)) {
      heard[greeting]++;
      const told = `${joiner.who}: ${greetings(joiner).join(" · ")}`;
      assert.ok(heard[EVERYONE] >= heard[ROOM], `everyone before the room: ${told}`);
      assert.ok(heard[ROOM] >= heard[YOU], `the room before you: ${told}`);
    }
    assert.equal(heard[YOU], 5);
  }
});

row("3.3", "a room may have any name", "S3", async ({ here }, { s3 }) => {
  const joiner = await s3(here);

  for (const room of ["Room 101!", "a}b{c:*", "комната"]) {
    joiner.emit("IO_CLIENT_JOIN_ROOM", room);
    await joiner.next(HELLO, (greeting) => greeting === EVERYONE);
    await joiner.next(HELLO, (greeting) => greeting === `Hello clients of room ${room}!`);
    await joiner.next(HELLO, isYou);
  }
});

row("3.5", "a client's own hello is not answered", "S3", async ({ here, there }, { s3 }) => {
  const client = await s3(here, "client");
  const other = await s3(there, "other");

  client.emit("IO_CLIENT_HELLO", "Hello!");
  client.emit("IO_CLIENT_JOIN_ROOM", "hello-1234");

  await client.next(HELLO, isYou);
  assert.deepEqual(greetings(client), [EVERYONE, ROOM, YOU]);
  await other.next(HELLO);
  assert.deepEqual(greetings(other), [EVERYONE]);
});

// === Between dialects

const lobby = async (stage, node) => {
  const native = await stage.connect(node, { client: NATIVE, namespace: "/chat", who: "native", auth: { name: "nadia" } });
  await native.get("room:join", { room: "lobby" });
  return native;
};

/** One client of each dialect on the other node, each having shown what it speaks. */
async function audience(stage) {
  const node = stage.there;
  const s0 = await stage.connect(node, { client: S0, who: "S0" });
  s0.emit("msg:post", { user: "zoe", text: "from S0" });
  await s0.next("msg:get", newestIs("from S0"));
  const s1 = await stage.connect(node, { client: S1, who: "S1" });
  s1.emit("adduser", "una");
  await s1.next("private");
  const s2 = await stage.connect(node, { client: S2, who: "S2" });
  s2.emit("chat message", "from S2");
  await s2.next("chat message", (text) => text === "from S2");
  const s4 = await stage.connect(node, { client: S4, who: "S4" });
  s4.emit("chat message", "from S4");
  await s4.next("chat message", (text) => text === "from S4");
  return { s0, s1, s2, s4, native: await lobby(stage, node) };
}

/** What each dialect hears of a text; native first, for it knows the seq. */
async function heardOf(text, { s0, s1, s2, s4, native }) {
  const [message] = await native.next("message:new", (entry) => entry.text === text);
  const [{ msg }] = await s0.next("msg:get", newestIs(text));
  return {
    message,
    s0: msg[0],
    s1: (await s1.next("message", (payload) => payload.message === text))[0],
    s2: await s2.next("chat message", (said) => said === text),
    s4: await s4.next("chat message", (said) => said === text),
  };
}

function assertPlain(heard, text, { as, shown }) {
  const { message, s0, s1, s2, s4 } = heard;
  assert.equal(message.room, "lobby");
  assert.ok(Number.isInteger(message.seq) && message.seq > 0);
  assert.deepEqual(s2, [text, message.seq], "S2 hears the text, and its seq");
  assert.deepEqual(s4, [text, message.seq], "S4 hears the text, and its seq");
  assert.deepEqual({ user: s0.user, text: s0.text }, { user: shown, text });
  assert.equal(s1.user, as);
  assert.equal("user" in s1, as !== undefined, "S1 hears a user key only where there is a name");
}

between("a text of S2 has no author, and S0 calls that one guest", async (stage) => {
  const others = await audience(stage);
  const writer = await stage.connect(stage.here, { client: S2, who: "writer" });

  writer.emit("chat message", "no name");

  const heard = await heardOf("no name", others);
  assertPlain(heard, "no name", { as: undefined, shown: "guest" });
  assert.equal(heard.message.user.classic, true);
  assert.ok(!writer.secrets.includes(heard.s1.id), "S1 hears a public id");
  assert.ok(!JSON.stringify(heard).includes(writer.socket.id), "nobody hears the socket's id");
});

between("a post of S0 has the author it claims", async (stage) => {
  const others = await audience(stage);
  const writer = await stage.connect(stage.here, { client: S0, who: "writer" });

  writer.emit("msg:post", { user: "ada", text: "posted" });

  const heard = await heardOf("posted", others);
  assertPlain(heard, "posted", { as: "ada", shown: "ada" });
  assert.deepEqual([heard.message.user.name, heard.message.user.classic], ["ada", true]);
});

between("a message of S1 has its adduser name", async (stage) => {
  const others = await audience(stage);
  const writer = await stage.connect(stage.here, { client: S1, who: "writer" });
  writer.emit("adduser", "ada");
  const [{ id }] = await writer.next("private");

  writer.emit("message", "named");

  const heard = await heardOf("named", others);
  assertPlain(heard, "named", { as: "ada", shown: "ada" });
  assert.equal(heard.s1.id, id);
  assert.deepEqual([heard.message.user.name, heard.message.user.classic], ["ada", true]);
});

between("a native message has its session's name", async (stage) => {
  const others = await audience(stage);
  const writer = await lobby(stage, stage.here);

  const { seq } = await writer.get("message:send", { room: "lobby", text: "native", mid: crypto.randomUUID() });

  const heard = await heardOf("native", others);
  assertPlain(heard, "native", { as: "nadia", shown: "nadia" });
  assert.equal(heard.message.seq, seq);
  assert.ok(!heard.message.user.classic);
  assert.ok(!writer.secrets.includes(heard.s1.id), "S1 hears a public id");
});

between("a native member finds in the history what the tutorials said", async (stage) => {
  await audience(stage);

  const late = await stage.connect(stage.here, { client: NATIVE, namespace: "/chat", auth: { name: "late" } });
  const page = await late.get("room:join", { room: "lobby" });

  assert.deepEqual(page.messages.map((message) => message.text), ["from S0", "from S2", "from S4"]);
  assert.deepEqual(page.messages.map((message) => message.seq), [1, 2, 3]);
});

between("who has not spoken hears every dialect", async (stage) => {
  const silent = await stage.connect(stage.there, { client: S2, who: "silent" });
  const writer = await stage.connect(stage.here, { client: S1, who: "writer" });
  const joiner = await stage.connect(stage.here, { client: S3, who: "joiner" });

  writer.emit("adduser", "ada");
  writer.emit("message", "to all");
  joiner.emit("IO_CLIENT_JOIN_ROOM", "hello-1234");

  assert.deepEqual(await silent.next("users"), [["ada"]]);
  assert.equal((await silent.next("message"))[0].user, "ada");
  assert.equal((await silent.next("chat message"))[0], "to all");
  await silent.next("msg:get", newestIs("to all"));
  assert.deepEqual(await silent.next(HELLO), [EVERYONE]);
});

const FOREIGN = {
  S0: ["chat message", "message", "users", "user", HELLO],
  S1: ["chat message", "msg:get", HELLO],
  S2: ["message", "msg:get", "users", "user", HELLO],
  S4: ["message", "msg:get", "users", "user", HELLO],
};

between("who has spoken hears its own dialect only", async (stage) => {
  const others = await audience(stage);
  const writer = await stage.connect(stage.here, { client: S1, who: "writer" });
  const tutorials = [others.s0, others.s1, others.s2, others.s4];
  // What was told before a client spoke may still arrive until the first text after.
  writer.emit("adduser", "ada");
  writer.emit("message", "first");
  await heardOf("first", others);
  const before = tutorials.map((client) => client.names().length);

  writer.emit("message", "second");
  await heardOf("second", others);
  const joiner = await stage.connect(stage.here, { client: S3, who: "joiner" });
  joiner.emit("IO_CLIENT_JOIN_ROOM", "hello-1234");
  await joiner.next(HELLO, isYou);
  writer.emit("message", "marker");
  await heardOf("marker", others);

  for (const [i, client] of tutorials.entries()) {
    const after = client.names().slice(before[i]);
    assert.deepEqual(after.filter((event) => FOREIGN[client.who].includes(event)), [], `${client.who} hears nothing foreign`);
  }
});

for (const client of [S0, S1, S2, S3, S4]) {
  between(`no payload tells a socket's own id to anybody (${client})`, async (stage) => {
    const witness = await stage.connect(stage.there, { client: S2, who: "witness" });
    const writer = await stage.connect(stage.here, { client, who: "writer" });

    writer.emit("adduser", "ada");
    writer.emit("msg:post", { user: "ada", text: "post" });
    writer.emit("IO_CLIENT_JOIN_ROOM", "hello-1234");
    writer.emit("message", "message");
    writer.emit("chat message", "last");
    for (const each of [witness, writer]) await each.next("chat message", (text) => text === "last");

    for (const secret of [...writer.secrets, ...witness.secrets]) {
      assert.ok(!witness.everything().includes(secret) && !writer.everything().includes(secret), "a secret id was told");
    }
  });
}
