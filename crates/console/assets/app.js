// The page: signs in, finds the view of the address, and draws it with the navigation around it.

import { html, render, useEffect, useErrorBoundary, useState } from './lib/html.js';
import { useKeys } from './lib/keys.js';
import { setPaused, usePaused } from './lib/live.js';
import { go, href, useRoute } from './lib/route.js';
import { connect, signIn, signOut, useSession } from './lib/session.js';
import { toggleTheme, useDark } from './lib/theme.js';
import { Button, Dialog, Failed, Field, Form, IconButton, Input, Loading, Toaster } from './lib/ui.js';
import { VIEWS } from './views.js';
import Login from './views/login.js';

function Help({ onClose }) {
  const keys = [
    ...VIEWS.map((view) => [`g ${view.key}`, view.title]),
    ['/', 'Search or filter this view'],
    ['p', 'Pause and go on'],
    ['t', 'Dark or light'],
    ['?', 'This help'],
    ['Esc', 'Close a window, leave a field'],
  ];
  return html`<${Dialog} title="Keyboard" onClose=${onClose}>
    <dl class="keys">${keys.map(([key, what]) => html`<div key=${key}><dt>${key.split(' ').map((part) => html`<kbd>${part}</kbd> `)}</dt><dd>${what}</dd></div>`)}</dl>
  </${Dialog}>`;
}

function Place({ onClose }) {
  const { credentials } = useSession();
  const [region, setRegion] = useState(credentials.region);
  const [account, setAccount] = useState(credentials.accessKeyId);
  const { server } = useSession();
  const save = async () => {
    const accessKeyId = server.auth ? credentials.accessKeyId : account;
    signIn({ ...credentials, accessKeyId, region });
    onClose();
  };
  return html`<${Dialog} title="Account and region" onClose=${onClose}>
    <${Form} onSubmit=${save}>
      ${!server.auth && html`<${Field} label="Account" hint="Twelve digits; the server was started with --auth off, so every account is open.">
        <${Input} pattern="[0-9]{12}" required value=${account} onValue=${setAccount} /></${Field}>`}
      <${Field} label="Region"><${Input} required value=${region} onValue=${setRegion} /></${Field}>
      <div class="actions"><${Button} type="submit" tone="primary">Look there</${Button}></div>
    </${Form}>
  </${Dialog}>`;
}

function Navigation({ shown, open, onChosen }) {
  return html`<nav class=${open ? 'nav open' : 'nav'} id="nav" aria-label="Views">
    <a class="brand" href="#/" onClick=${onChosen}><img src="/_console/favicon.svg" alt="" width="20" height="20" />Millrace</a>
    <ul>${VIEWS.map((view) => html`<li key=${view.name}><a href=${href(view.name)} onClick=${onChosen}
      aria-current=${view.name === shown ? 'page' : undefined} title=${`g ${view.key}`}>${view.title}</a></li>`)}</ul>
  </nav>`;
}

function TopBar({ onMenu, open, onHelp, onPlace }) {
  const { server, credentials } = useSession();
  const paused = usePaused();
  const dark = useDark();
  const who = server.auth ? credentials.accessKeyId : `account ${credentials.accessKeyId}`;
  return html`<header class="topbar">
    <button class="icon-button menu" aria-label="Views" aria-expanded=${open} aria-controls="nav" onClick=${onMenu}>
      <svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" /></svg></button>
    <button class="place" onClick=${onPlace} title="Account and region"><span class="mono">${who}</span> · ${credentials.region}</button>
    <span class="spacer" />
    ${!server.auth && html`<span class="badge warn" title="Requests are not checked: the server was started with --auth off">auth off</span>`}
    <${IconButton} icon=${paused ? 'play' : 'pause'} label=${paused ? 'Go on (p)' : 'Pause (p)'} pressed=${paused} onClick=${() => setPaused(!paused)} />
    <${IconButton} icon="sun" label=${dark ? 'Light (t)' : 'Dark (t)'} onClick=${toggleTheme} />
    <${IconButton} icon="help" label="Keyboard (?)" onClick=${onHelp} />
    ${server.auth && html`<${IconButton} icon="out" label="Sign out" onClick=${signOut} />`}
  </header>`;
}

/** The component of a view, once its module is there. */
function useView(view) {
  const [loaded, setLoaded] = useState({});
  useEffect(() => {
    let gone = false;
    view?.load().then(
      (module) => gone || setLoaded({ view, component: module.default }),
      (error) => gone || setLoaded({ view, error }),
    );
    return () => { gone = true; };
  }, [view]);
  return loaded.view === view ? loaded : {};
}

function View({ view, path, query }) {
  const { component, error } = useView(view);
  const [broken, mend] = useErrorBoundary((problem) => console.error(problem));
  const address = path.join('/');
  useEffect(() => { if (broken) mend(); }, [view, address]);
  if (!view) return html`<div class="state"><strong>There is no view ${path[0]}</strong><div>Choose one of those beside the page.</div></div>`;
  if (broken || error) return html`<${Failed} error=${broken ?? error} what="This view failed" retry=${broken ? mend : () => location.reload()} />`;
  return component ? html`<${component} key=${address} path=${path.slice(1)} query=${query} />` : html`<${Loading} />`;
}

function Shell() {
  const { path, query } = useRoute();
  const [dialog, setDialog] = useState(null);
  const [open, setOpen] = useState(false);
  const { credentials } = useSession();
  const close = () => setDialog(null);
  const view = VIEWS.find((each) => each.name === (path[0] ?? VIEWS[0]?.name));
  const paused = usePaused();
  useKeys({
    ...Object.fromEntries(VIEWS.map((each) => [`g ${each.key}`, () => go(each.name)])),
    '?': () => setDialog('help'),
    t: toggleTheme,
    p: () => setPaused(!paused),
    '/': () => document.querySelector('[data-search]')?.focus(),
    Escape: () => setOpen(false),
  }, [paused]);
  useEffect(() => {
    const leave = (event) => event.key === 'Escape' && event.target.matches?.('input, textarea') && event.target.blur();
    addEventListener('keydown', leave);
    return () => removeEventListener('keydown', leave);
  }, []);
  const scope = `${credentials.accessKeyId}/${credentials.region}`;
  return html`<a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById('main').focus(); }}>To the view</a>
    <${Navigation} shown=${view?.name} open=${open} onChosen=${() => setOpen(false)} />
    <div class="frame">
      <${TopBar} open=${open} onMenu=${() => setOpen(!open)} onHelp=${() => setDialog('help')} onPlace=${() => setDialog('place')} />
      ${paused && html`<div class="paused" role="status">Paused: nothing is asked for until you go on. <button class="text-button" onClick=${() => setPaused(false)}>Go on</button></div>`}
      <main id="main" tabindex="-1"><${View} key=${scope} view=${view} path=${path.length ? path : [view?.name ?? '']} query=${query} /></main>
    </div>
    ${dialog === 'help' && html`<${Help} onClose=${close} />`}
    ${dialog === 'place' && html`<${Place} onClose=${close} />`}`;
}

function App() {
  const { server, error, credentials } = useSession();
  useEffect(() => {
    connect();
  }, []);
  if (!server) return error ? html`<${Failed} error=${error} what="The server does not answer" retry=${connect} />` : html`<${Loading} />`;
  return html`${credentials ? html`<${Shell} />` : html`<${Login} />`}<${Toaster} />`;
}

render(html`<${App} />`, document.getElementById('app'));
