// The events of a page of posts, in our words.
/* global io, presence, render, allChat:writable */
const connection = io();
const show = (text) => () => { presence.innerText = text; };

connection.on("connect", show("here"));
connection.on("disconnect", show("away"));
connection.on("msg:get", ({ msg }) => {
  allChat = msg;
  render();
});

// eslint-disable-next-line no-unused-vars -- s0-page.js calls it
function postNewMsg(user, text) {
  connection.emit("msg:post", { user, text });
}
