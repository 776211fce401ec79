// Data that is asked for again and again.
//
//     const streams = useLive((signal) => all('kinesis', 'ListStreams', {}, 'StreamSummaries', { signal }), { every: 5000 });
//     streams → { data, error, at, loading, refresh }
//
// Asking never overlaps, stops while the tab is hidden or the page is paused, and waits longer after errors. The last data
// stays when an asking fails, with `error` beside it.

import { useEffect, useRef, useState } from './html.js';

const ERROR_PAUSE_MAX = 30_000;
const listeners = new Set();
let paused = false;

export const isPaused = () => paused;

/** Stops or goes on with everything live on the page. */
export function setPaused(value) {
  paused = value;
  listeners.forEach((listener) => listener());
}

/** Whether the page is paused, in a component that is drawn again when it changes. */
export function usePaused() {
  const [, draw] = useState();
  useEffect(() => {
    const listener = () => draw({});
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return paused;
}

/** Asks `ask(signal, before)` every so many milliseconds, and at once when one of `deps` changes. `every: 0` asks once. */
export function useLive(ask, { every = 2000, deps = [] } = {}) {
  const [state, setState] = useState({ data: undefined, error: null, at: 0, loading: true });
  const asking = useRef();
  asking.current = ask;
  const refresh = useRef(() => {});
  useEffect(() => {
    const abort = new AbortController();
    let [timer, busy, failures, data, asked] = [0, false, 0, undefined, false];
    setState((before) => ({ ...before, loading: true }));
    const again = (pause) => {
      clearTimeout(timer);
      if (!abort.signal.aborted) timer = setTimeout(turn, pause);
    };
    const turn = async () => {
      clearTimeout(timer);
      if (busy || ((document.hidden || paused) && asked)) return;
      busy = true;
      try {
        data = await asking.current(abort.signal, data);
        failures = 0;
        if (!abort.signal.aborted) setState({ data, error: null, at: Date.now(), loading: false });
      } catch (error) {
        if (abort.signal.aborted) return;
        failures += 1;
        setState((before) => ({ ...before, data, error, loading: false }));
      } finally {
        busy = false;
        asked = true;
      }
      if (failures) again(Math.min(ERROR_PAUSE_MAX, Math.max(every, 1000) * 2 ** Math.min(failures, 5)));
      else if (every) again(every);
    };
    const wake = () => {
      if (!document.hidden && !paused && every) turn();
    };
    refresh.current = () => {
      asked = false;
      return turn();
    };
    turn();
    document.addEventListener('visibilitychange', wake);
    listeners.add(wake);
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', wake);
      listeners.delete(wake);
    };
  }, deps);
  return { ...state, refresh: () => refresh.current() };
}
