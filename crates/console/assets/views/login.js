// Signing in: an access key, tried once before it is kept.

import { aws } from '../lib/aws.js';
import { html, useState } from '../lib/html.js';
import { REGION, session, signIn, signOut } from '../lib/session.js';
import { Button, Field, Form, Input } from '../lib/ui.js';

export default function Login() {
  const [given, setGiven] = useState({ accessKeyId: '', secretAccessKey: '', sessionToken: '', region: REGION });
  const [more, setMore] = useState(false);
  const set = (name) => (value) => setGiven({ ...given, [name]: value.trim() });
  const enter = async () => {
    // The key must be there to be tried, and is kept only when it opens.
    session().credentials = { ...given };
    try {
      await aws('sts', 'GetCallerIdentity');
      signIn({ ...given });
    } catch (error) {
      signOut();
      throw error;
    }
  };
  return html`<main class="login">
    <${Form} onSubmit=${enter} class="login-box">
      <h1><img src="/_console/favicon.svg" alt="" width="28" height="28" /> Millrace</h1>
      <${Field} label="Access key ID">
        <${Input} name="username" autofocus required autocomplete="username" value=${given.accessKeyId} onValue=${set('accessKeyId')} />
      </${Field}>
      <${Field} label="Secret access key">
        <${Input} name="password" type="password" required autocomplete="current-password" value=${given.secretAccessKey} onValue=${set('secretAccessKey')} />
      </${Field}>
      ${more && html`
        <${Field} label="Session token" hint="Only temporary keys have one.">
          <${Input} value=${given.sessionToken} onValue=${set('sessionToken')} />
        </${Field}>
        <${Field} label="Region"><${Input} required value=${given.region} onValue=${set('region')} /></${Field}>`}
      <div class="actions spread">
        <button type="button" class="text-button" aria-expanded=${more} onClick=${() => setMore(!more)}>${more ? 'Less' : 'Session token, region'}</button>
        <${Button} type="submit" tone="primary">Sign in</${Button}>
      </div>
      <p class="hint">The key stays in this tab until it is closed. The root key is in the file <code>credentials</code> of the
        server's data folder; keys of users come from IAM.</p>
    </${Form}>
  </main>`;
}
