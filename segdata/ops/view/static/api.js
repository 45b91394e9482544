// Requests to the server of this page. The token travels from the page's URL into each of them.

const token = new URLSearchParams(location.search).get("token");

/** The URL of a path such as "api/samples", with pairs or an object as its query. */
export function url(path, query = []) {
  const pairs = new URLSearchParams(Array.isArray(query) ? query : Object.entries(query));
  if (token) pairs.set("token", token);
  const text = pairs.toString();
  return text ? `${path}?${text}` : path;
}

/** What the server answers, as values. Throws an `Error` with the server's message and `code`. */
export async function get(path, query = [], signal = undefined) {
  return told(await fetch(url(path, query), { signal }));
}

/** Have the server do something: `body` goes as JSON. Throws as `get`. */
export async function post(path, body = {}, signal = undefined) {
  const headers = { "content-type": "application/json" };
  return told(await fetch(url(path), { method: "POST", headers, body: JSON.stringify(body), signal }));
}

async function told(response) {
  if (!response.ok) throw await refusal(response);
  return response.json(); // fails if it is cut off or cancelled on the way
}

/** Why the server gave something else than what was asked for, as an `Error` with its `code`. */
export async function refusal(response) {
  const text = await response.text();
  let error = {};
  try {
    error = JSON.parse(text).error ?? error;
  } catch {
    // something between the server and this page has answered, such as a proxy
  }
  return Object.assign(new Error(error.message ?? `the server answered ${response.status}`), { code: error.code });
}
