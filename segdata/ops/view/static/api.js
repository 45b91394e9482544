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
export async function post(path, body = {}) {
  const headers = { "content-type": "application/json" };
  return told(await fetch(url(path), { method: "POST", headers, body: JSON.stringify(body) }));
}

async function told(response) {
  const data = await response.json().catch(() => ({}));
  if (response.ok) return data;
  const error = new Error(data.error?.message ?? `the server answered ${response.status}`);
  error.code = data.error?.code;
  throw error;
}
