// The page of whoever comes without the token: lets in a browser that has been here before, and takes a token that is pasted.

const KEY = "segdata-token";
const given = new URLSearchParams(location.search).get("token");

/** Go to the page with this token; what is behind # (filters, the open image) stays. */
function enter(token) {
  location.replace(`./?${new URLSearchParams({ token })}${location.hash}`);
}

try {
  // A token that was refused is of an older viewer: forget it, or this page would come back forever.
  if (given !== null && localStorage.getItem(KEY) === given) localStorage.removeItem(KEY);
  const kept = localStorage.getItem(KEY);
  if (kept && kept !== given) enter(kept);
} catch {
  // This browser keeps nothing: the person pastes the token.
}

document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = document.querySelector("#token").value.trim();
  const token = /[?&]token=([^&#]+)/.exec(text)?.[1] ?? text;
  if (token) enter(token);
});
