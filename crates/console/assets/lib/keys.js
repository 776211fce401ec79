// Keyboard: single letters and two in a row, unless somebody types in a field.
//
//     useKeys({ '/': () => input.current.focus(), 'g p': () => go('pipeline') })

import { useEffect } from './html.js';

const PAIR_MS = 1200;
let last = { key: '', at: -PAIR_MS };
/** The key that was pressed just before this one. */
let before = '';

const isField = (element) => element?.closest?.('input, textarea, select, [contenteditable]');

export function useKeys(bindings, deps = []) {
  useEffect(() => {
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isField(event.target) || document.querySelector('dialog[open]')) return;
      const action = bindings[`${before} ${event.key}`] ?? bindings[event.key];
      if (!action) return;
      event.preventDefault();
      action(event);
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, deps);
}

// Of all listeners it is the first, since modules load before components are there.
addEventListener('keydown', (event) => {
  if (isField(event.target)) return;
  before = event.timeStamp - last.at < PAIR_MS ? last.key : '';
  last = { key: event.key, at: event.timeStamp };
});
