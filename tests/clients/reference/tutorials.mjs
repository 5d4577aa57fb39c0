// What each tutorial's own server does, told in our words: the measure by which the tests themselves are tested.
import { serve } from "./serving.mjs";

const SERVERS = {
  // Posts come back to everybody as the whole history, newest first.
  S0() {
    const posts = [];
    const history = () => ({ msg: posts.slice(-50).reverse() });
    return (io) => io.on("connection", (socket) => {
      socket.emit("msg:get", history());
      socket.on("msg:post", ({ user, text }) => {
        posts.push({ user, text, time: Date.now() });
        io.emit("msg:get", history());
      });
    });
  },

  // A list of names, and messages under them.
  S1() {
    const names = [];
    return (io) => io.on("connection", (socket) => {
      let name;
      socket.on("adduser", (wanted) => {
        name = wanted;
        names.push(name);
        io.emit("users", names);
        socket.emit("private", { id: socket.id, name, msg: "secret message" });
      });
      socket.on("message", (message) => io.emit("message", { message, user: name, id: socket.id }));
      socket.on("disconnect", () => {
        if (!name) return;
        names.splice(names.indexOf(name), 1);
        io.emit("user", names);
      });
    });
  },

  S2: echo,
  S4: echo,

  // Three greetings on joining a room.
  S3: () => (io) => io.on("connection", (socket) => {
    socket.on("IO_CLIENT_JOIN_ROOM", (room) => {
      socket.join(room);
      io.emit("IO_SERVER_HELLO", "Hello everyone!");
      io.to(room).emit("IO_SERVER_HELLO", `Hello clients of room ${room}!`);
      socket.emit("IO_SERVER_HELLO", "Hello you!");
    });
    socket.on("IO_CLIENT_HELLO", () => {});
  }),
};

function echo() {
  return (io) => io.on("connection", (socket) => socket.on("chat message", (text) => io.emit("chat message", text)));
}

/** The server of one tutorial, as a stage of one node. */
export async function startTutorial(tutorial) {
  const node = await serve({ name: `the server of ${tutorial}`, setUp: SERVERS[tutorial]() });
  return { nodes: [node], close: async () => {} };
}
