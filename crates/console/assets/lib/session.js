// Who is signed in. The key lives in this tab's session storage and nowhere else; it goes when the tab does.
//
// A server with `--auth off` asks for no key: then the session is the account and region that somebody wants to look at.

import { useEffect, useState } from './html.js';

const PLACE = 'millrace.session';
export const REGION = 'us-east-1';
/** The account of whoever does not say another. */
export const ACCOUNT = '000000000000';

const listeners = new Set();
const state = {
  /** What `/_millrace/health` told: `{ auth, version }`; null before it answered. */
  server: null,
  /** Why the server could not be asked. */
  error: null,
  /** `{ accessKeyId, secretAccessKey, sessionToken, region }`; null when nobody is signed in. */
  credentials: kept(),
  /** By how many milliseconds the server's clock is ahead of this one. */
  skew: 0,
};

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE));
  } catch {
    return null;
  }
}

function changed() {
  listeners.forEach((listener) => listener({}));
}

/** The state as it is now. */
export const session = () => state;

/** The server's time, in milliseconds. */
export const serverNow = () => Date.now() + state.skew;

/** The state, in a component that is drawn again when it changes. */
export function useSession() {
  const [, draw] = useState();
  useEffect(() => {
    listeners.add(draw);
    return () => listeners.delete(draw);
  }, []);
  return state;
}

/** Asks the server whether it wants signatures, and what time it is there. */
export async function connect() {
  try {
    const asked = Date.now();
    const answer = await fetch('/_millrace/health');
    const { auth, now, version } = await answer.json();
    state.server = { auth, version };
    state.skew = now - (asked + Date.now()) / 2;
    state.error = null;
    if (!auth && !state.credentials) {
      state.credentials = { accessKeyId: ACCOUNT, secretAccessKey: 'none', region: REGION };
    }
  } catch (error) {
    state.error = error;
  }
  changed();
}

/** Signs in. Nothing is asked of the server here: whoever calls has tried the key. */
export function signIn(credentials) {
  state.credentials = credentials;
  sessionStorage.setItem(PLACE, JSON.stringify(credentials));
  changed();
}

/** Forgets the key. */
export function signOut() {
  sessionStorage.removeItem(PLACE);
  state.credentials = null;
  changed();
}
