// An OpenID provider on 127.0.0.1 for tests: node openidprovider.mjs <folder of oidc-provider> <settings as JSON>.
// It lets everybody in who says a name, and asks for no consent. What it knows is gone when it ends.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , folder, text] = process.argv;
const settings = JSON.parse(text);
const { default: Provider } = await import(pathToFileURL(join(folder, 'lib', 'index.js')).href);

const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}</html>`;

const provider = new Provider(settings.issuer, {
  clients: [{
    client_id: settings.clientID,
    ...(settings.clientSecret ? { client_secret: settings.clientSecret } : { token_endpoint_auth_method: 'none' }),
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: settings.redirectURLs,
    post_logout_redirect_uris: settings.signedOutURLs,
  }],
  cookies: { keys: ['for tests only'] },
  pkce: { required: () => true },
  // Without offline_access: the refresh tokens end with the session.
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  // What other claims an access token has.
  extraTokenClaims: (ctx, token) => settings.users[token.accountId],
  async loadExistingGrant(ctx) {
    const grant = new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid');
    await grant.save();
    return grant;
  },
  ttl: { AccessToken: settings.accessTokenSeconds, IdToken: 3600, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 3600 },
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      // The client names no resource, as with Keycloak: all of its tokens are for the one audience.
      defaultResource: () => 'urn:data-exhaust:api',
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: '', audience: settings.audience, accessTokenFormat: 'jwt', accessTokenTTL: settings.accessTokenSeconds, jwt: { sign: { alg: 'RS256' } },
      }),
    },
    rpInitiatedLogout: {
      logoutSource(ctx, form) {
        ctx.body = page('Sign out', `${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`);
      },
    },
  },
});

provider.use(async (ctx, next) => {
  const [, interaction, uid, step] = ctx.path.split('/');
  if (interaction !== 'interaction') {
    await next();
  } else if (ctx.method === 'GET') {
    ctx.body = page('Sign in', `<form method="post" action="/interaction/${uid}/sign-in"><label>Name <input name="login" autofocus required></label>`
      + `<button>Sign in</button></form><form method="post" action="/interaction/${uid}/cancel"><button>Cancel</button></form>`);
  } else if (step === 'cancel') {
    await finish(ctx, { error: 'access_denied' });
  } else {
    let body = '';
    for await (const chunk of ctx.req) body += chunk;
    await finish(ctx, { login: { accountId: new URLSearchParams(body).get('login') } });
  }
});

async function finish(ctx, result) {
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
  ctx.respond = false;
}

createServer(provider.callback()).listen(settings.port, '127.0.0.1');
