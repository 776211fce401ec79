// Keyboard: single letters and two in a row, unless somebody types in a field.
//
//     useKeys({ '/': () => input.current.focus(), 'g p': () => go('pipeline') })

import { useEffect } from './html.js';

const PAIR_MS = 1200;
let first = { key: '', at: 0 };

const isField = (element) => element?.closest?.('input, textarea, select, [contenteditable]');

export function useKeys(bindings, deps = []) {
  useEffect(() => {
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isField(event.target) || document.querySelector('dialog[open]')) return;
      const before = event.timeStamp - first.at < PAIR_MS ? first.key : '';
      const action = bindings[`${before} ${event.key}`] ?? bindings[event.key];
      if (!action) return;
      event.preventDefault();
      action(event);
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, deps);
}

// Remembers the first of two, after everybody has seen it.
addEventListener('keydown', (event) => queueMicrotask(() => {
  if (!isField(event.target)) first = { key: event.key, at: event.timeStamp };
}));
