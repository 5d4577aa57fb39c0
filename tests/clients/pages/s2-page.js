// The events of a page of plain texts, in our words.
/* global io */
const socket = io();
const field = document.getElementById("input");

socket.on("chat message", (text) => {
  document.getElementById("messages").append(Object.assign(document.createElement("li"), { textContent: text }));
});
document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  socket.emit("chat message", field.value);
  field.value = "";
});
