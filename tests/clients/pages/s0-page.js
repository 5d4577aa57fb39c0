// What a page of posts shows; s0-socket.js, ours or the tutorial's, brings the posts and sends them.
/* global postNewMsg */
const presence = document.getElementById("presence-indicator");
const chat = document.getElementById("chat");
let allChat = [];

chat.addEventListener("submit", (event) => {
  event.preventDefault();
  postNewMsg(chat.elements.user.value, chat.elements.text.value);
  chat.elements.text.value = "";
});

function render() {
  const rows = allChat.map(({ user, text }) => {
    const row = document.createElement("li");
    row.textContent = `${user}: ${text}`;
    return row;
  });
  document.getElementById("msgs").replaceChildren(...rows);
}
