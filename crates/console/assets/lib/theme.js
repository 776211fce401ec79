// Dark and light: the system's, unless somebody says otherwise. Colours are custom properties that follow `color-scheme`.

import { useEffect, useState } from './html.js';

const PLACE = 'millrace.theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set();

const chosen = () => localStorage.getItem(PLACE) ?? 'system';
export const isDark = () => (chosen() === 'system' ? system.matches : chosen() === 'dark');

function apply() {
  document.documentElement.dataset.theme = chosen();
  listeners.forEach((listener) => listener({}));
}

export function toggleTheme() {
  localStorage.setItem(PLACE, isDark() ? 'light' : 'dark');
  apply();
}

/** Whether it is dark, in a component that is drawn again when it changes. */
export function useDark() {
  const [, draw] = useState();
  useEffect(() => {
    listeners.add(draw);
    return () => listeners.delete(draw);
  }, []);
  return isDark();
}

/** The colour that a custom property has now: `color('--accent')`. For canvases, which know no properties. */
export function color(property) {
  const probe = document.createElement('span');
  probe.style.color = `var(${property})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

system.addEventListener('change', apply);
apply();
