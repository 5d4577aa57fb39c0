// A stock client of any of five versions that remembers every event it heard.
import { createRequire } from "node:module";

import { within } from "./wait.mjs";

const require = createRequire(import.meta.url);

/** Which client each tutorial loads. */
export const S0 = "sio412";
export const S1 = "sio441";
export const S2 = "sio48";
export const S3 = "sio17";
export const S4 = "sio25";
export const NATIVE = "sio48";

/** What a page may ask for; the last is the stock client's own default. */
export const TRANSPORTS = { websocket: ["websocket"], polling: ["polling"], upgrade: ["polling", "websocket"] };

export class Client {
  #heard = [];
  #waiting = [];

  /** Begins to connect; `opened()` waits for it. */
  constructor(url, { client, transport = "upgrade", namespace = "/", who = client, auth, reconnection = false }) {
    const io = require(client);
    this.who = who;
    this.socket = io(url + namespace, { transports: TRANSPORTS[transport], forceNew: true, reconnection, auth });
    // `onAny` came with version 3.
    if (this.socket.onAny) this.socket.onAny((event, ...args) => this.#hear(event, args));
    else tap(this.socket, (event, ...args) => this.#hear(event, args));
    for (const event of ["connect", "connect_error", "disconnect"]) this.socket.on(event, (...args) => this.#hear(event, args));
  }

  #hear(event, args) {
    const entry = { event, args, taken: false };
    this.#heard.push(entry);
    this.#waiting.forEach((look) => look(entry));
  }

  async opened() {
    await this.next("connect");
    return this;
  }

  /** The arguments of the first such event not yet taken, now or when it comes; each is given once. */
  async next(event, matches = () => true) {
    const fits = (entry) => !entry.taken && entry.event === event && matches(...entry.args);
    let look;
    const coming = new Promise((settle) => {
      look = (entry) => fits(entry) && settle(entry);
      this.#waiting.push(look);
    });
    const had = this.#heard.find(fits);
    try {
      const entry = had ?? (await within(coming, `${this.who} hears "${event}"`, () => this.told()));
      entry.taken = true;
      return entry.args;
    } finally {
      this.#waiting = this.#waiting.filter((other) => other !== look);
    }
  }

  /** Takes everything so far, so that `next` can only find what comes from here on. */
  forget() {
    this.#heard.forEach((entry) => (entry.taken = true));
  }

  /** The arguments of all such events so far. */
  all(event) {
    return this.#heard.filter((entry) => entry.event === event).map((entry) => entry.args);
  }

  /** The names of the server's events so far, in order. */
  names() {
    return this.#heard.map((entry) => entry.event).filter((event) => !["connect", "connect_error", "disconnect"].includes(event));
  }

  /** All the payloads so far, as one text to look for something in. */
  everything() {
    return JSON.stringify(this.#heard.map((entry) => entry.args));
  }

  emit(event, ...args) {
    this.socket.emit(event, ...args);
  }

  /** Emits and waits for the ack. */
  ask(event, ...args) {
    const ack = new Promise((settle) => this.socket.emit(event, ...args, settle));
    return within(ack, `${this.who} gets the ack of "${event}"`, () => this.told());
  }

  /** Asks, and insists on a yes. */
  async get(event, ...args) {
    const ack = await this.ask(event, ...args);
    if (ack?.ok !== true) throw new Error(`"${event}" was refused: ${JSON.stringify(ack)}`);
    return ack;
  }

  /** Ids that are the client's secrets: none may show up in a payload. */
  get secrets() {
    return [this.socket.id, this.socket.io.engine?.id].filter(Boolean);
  }

  close() {
    this.socket.disconnect();
    this.socket.io.engine?.close();
  }

  /** What it heard, for the reader of a failure. */
  told() {
    const lines = this.#heard.map(({ event, args, taken }) => `  ${taken ? "·" : " "} ${event} ${clip(JSON.stringify(args))}`);
    return [`${this.who} heard (· = expected):`, ...(lines.length ? lines : ["  nothing"])].join("\n");
  }
}

/** Old clients have one place through which every event goes. */
function tap(socket, hear) {
  const onevent = socket.onevent;
  socket.onevent = function (packet) {
    hear(...packet.data);
    onevent.call(this, packet);
  };
}

const clip = (text = "") => (text.length > 300 ? `${text.slice(0, 300)}…` : text);
