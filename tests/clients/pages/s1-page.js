// The events of a page of names and messages, in our words.
/* global io */
const socket = io();
const field = document.querySelector(".chatbox input");
const item = (text) => Object.assign(document.createElement("li"), { textContent: text });

socket.on("users", (names) => document.getElementById("users").replaceChildren(...names.map(item)));
socket.on("message", ({ user, message }) => document.getElementById("messagelist").append(item(`${user ?? "nobody"}: ${message}`)));
socket.emit("adduser", `Visitor ${crypto.getRandomValues(new Uint16Array(1))[0]}`);

document.querySelector(".chatbox form").addEventListener("submit", (event) => {
  event.preventDefault();
  socket.emit("message", field.value);
  field.value = "";
});
