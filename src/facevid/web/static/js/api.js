// Talks to the server: JSON, binary points, and the addresses of media and pages.

/** A request that the server answered with an error, or that did not reach it; the message is for reading. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

/** GET `path` with `params` (URLSearchParams or an object) as JSON. Throws ApiError; AbortError when aborted. */
export async function getJson(path, params = null, { signal } = {}) {
  return (await request(withParams(path, params), { signal })).json();
}

/** POST, PUT or DELETE with a JSON body; the JSON answered, or null where the answer is empty. */
export async function sendJson(method, path, body = null, { signal, keepalive = false } = {}) {
  const response = await request(path, {
    method,
    signal,
    keepalive,
    headers: { "Content-Type": "application/json" },
    body: body === null ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** GET little-endian float32 values. */
export async function getFloats(path, { signal } = {}) {
  const bytes = await (await request(path, { signal })).arrayBuffer();
  const view = new DataView(bytes);
  const values = new Float32Array(bytes.byteLength >> 2);
  for (let k = 0; k < values.length; k++) values[k] = view.getFloat32(k * 4, true);
  return values;
}

/** What the server says is wrong with an address; null where it answers well. */
export async function complaint(path) {
  try {
    await request(path, { headers: { Range: "bytes=0-0" } });
    return null;
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

export const mediaUrl = (clipId) => `/media/${encodeURIComponent(clipId)}.mp4`;
export const thumbUrl = (clipId, width = 192) => `/thumb/${encodeURIComponent(clipId)}.jpg?w=${width}`;
export const clipApi = (clipId, part = "") => `/api/clip/${encodeURIComponent(clipId)}${part && `/${part}`}`;

/** The clip's page, keeping the filter so that previous and next stay within it. */
export const clipHref = (clipId, filter = "") => `/clip/${encodeURIComponent(clipId)}${filter && `?${filter}`}`;

function withParams(path, params) {
  const query = params ? new URLSearchParams(params).toString() : "";
  return query ? `${path}?${query}` : path;
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer; see whether facevid explore still runs, then try again.");
  }
  if (!response.ok) throw new ApiError(response.status, await sentence(response));
  return response;
}

async function sentence(response) {
  const text = await response.text();
  try {
    const body = JSON.parse(text);
    return String(body.error ?? body.detail ?? body.message ?? text);
  } catch {
    return text || `The server answered ${response.status} ${response.statusText}.`;
  }
}
