// The OpenID provider of the tests: `oidc-provider`, which is certified, set up so that a test says
// in a form who logs in, how and how long ago, and registers its client by itself (OpenID Connect
// Dynamic Client Registration). For tests only: nobody is asked for a password.
//
//   node provider.mjs PORT FOLDER      FOLDER has node_modules
//
// Accounts are what the test types. `ada` has the address ada@example.org; `ada+2` is another
// account with the same address, `ada-unverified` one whose address is not verified.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [port, folder] = process.argv.slice(2);
const require = createRequire(join(folder, 'x.js'));
const { Provider } = await import(require.resolve('oidc-provider'));
const { SignJWT, exportJWK, generateKeyPair } = await import(require.resolve('jose'));

const issuer = `http://127.0.0.1:${port}`;
const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), kid: 'es256', alg: 'ES256', use: 'sig' };

const claimsOf = (sub) => ({
  sub,
  email: `${sub.replace(/-unverified$/, '').replace(/\+.*$/, '')}@example.org`,
  email_verified: !sub.endsWith('-unverified'),
});

const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  acrValues: ['urn:example:password', 'urn:example:two-factors'],
  claims: { openid: ['sub', 'acr', 'amr', 'auth_time'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false, // claims of scopes in the ID token, as many providers do
  cookies: { keys: ['of no worth'] },
  enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    // The client keeps the name that it has chosen, so that it can run before it is known here.
    registration: { enabled: true, idFactory: (ctx) => ctx.oidc.body.client_name, secretFactory: () => 'of no worth either' },
  },
  // It keeps away from private addresses (a client could make it ask its own network), and there is
  // nothing else here: this machine is allowed, and only this.
  fetch(url, { dispatcher, ...options }) {
    if (new URL(url).hostname !== '127.0.0.1') throw new Error('not on this machine');
    return fetch(url, options);
  },
  pkce: { required: () => true },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => claimsOf(sub) }),
  async loadExistingGrant(ctx) {
    const { clientId } = ctx.oidc.client;
    const grant = new provider.Grant({ clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid email');
    await grant.save();
    return grant;
  },
});

async function body(request) {
  let text = '';
  for await (const piece of request) text += piece;
  return text;
}

// Whoever comes says who they are.
async function interaction(request, response) {
  if (request.method !== 'POST') {
    const field = (name, value) => `<label>${name} <input name=${name} value="${value}"></label><br>`;
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><title>Provider</title><form method=post>${field('login', 'ada')}${
      field('acr', 'urn:example:password')}${field('amr', 'pwd')}${field('age', '0')}<button>Log in</button>
      <button name=deny value=1>Refuse</button></form>`);
    return;
  }
  const form = new URLSearchParams(await body(request));
  if (form.has('deny')) {
    await provider.interactionFinished(request, response, { error: 'access_denied' });
    return;
  }
  const login = {
    accountId: form.get('login'),
    acr: form.get('acr') ?? 'urn:example:password',
    amr: (form.get('amr') ?? 'pwd').split(' '),
    ts: Math.floor(Date.now() / 1000) - Number(form.get('age') ?? 0),
  };
  await provider.interactionFinished(request, response, { login });
}

// Signs whatever a test wants to be signed by this provider.
async function sign(request, response) {
  const { header, claims } = JSON.parse(await body(request));
  response.end(await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'es256', ...header }).sign(privateKey));
}

const others = provider.callback();
createServer((request, response) => {
  const failed = (error) => {
    console.error(error);
    response.statusCode = 500;
    response.end();
  };
  if (request.url.startsWith('/interaction/')) interaction(request, response).catch(failed);
  else if (request.url === '/test/sign') sign(request, response).catch(failed);
  else others(request, response);
}).listen(Number(port), '127.0.0.1', () => console.log(`Listening on ${issuer}`));
