//! The provider: where it sends visitors, and what its ID token says of those who come back.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthenticationContextClass, AuthorizationCode, Client, ClientId,
    ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdTokenFields, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};
use sessile::{Clock, SystemClock};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::http::Http;

/// What counts as two factors here; which words a provider has for it, its documentation says.
pub(crate) const TWO_FACTORS: &str = "urn:example:two-factors";

/// How long the provider's settings and keys are believed. After a change of keys, log-ins fail
/// for no longer than this.
const BELIEVED: Duration = Duration::from_secs(300);

/// What signatures are accepted. Add RS256 if your provider has nothing else.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 2] =
    [CoreJwsSigningAlgorithm::EcdsaP256Sha256, CoreJwsSigningAlgorithm::EdDsa];

/// One provider, and what this application is to it.
pub(crate) struct Provider {
    issuer: IssuerUrl,
    client: ClientId,
    secret: ClientSecret,
    callback: RedirectUrl,
    http: Http,
    known: Mutex<Option<(Instant, Arc<CoreProviderMetadata>)>>,
}

/// A log-in that a visitor has begun: what the callback needs, and nobody else may know.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Begun {
    state: CsrfToken,
    nonce: Nonce,
    verifier: String,
    /// Since when they must have proved who they are.
    since: SystemTime,
    /// Where the visitor wanted to go.
    pub(crate) back: Option<String>,
}

impl Begun {
    /// Whether this is the state of this visitor. Compared as hashes, so that the time tells nothing.
    pub(crate) fn has_state(&self, state: &str) -> bool {
        self.state == CsrfToken::new(state.to_owned())
    }
}

/// What an ID token said, once it was verified.
pub(crate) struct Proven {
    pub(crate) subject: String,
    /// The session at the provider.
    pub(crate) sid: Option<String>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Vec<String>,
    pub(crate) authenticated_at: SystemTime,
    /// The address, if the provider has verified it.
    pub(crate) verified_email: Option<String>,
}

impl Provider {
    pub(crate) fn new(
        issuer: String,
        client: String,
        secret: String,
        origin: &str,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            issuer: IssuerUrl::new(issuer)?,
            client: ClientId::new(client),
            secret: ClientSecret::new(secret),
            callback: RedirectUrl::new(format!("{origin}/callback"))?,
            http: Http::new()?,
            known: Mutex::new(None),
        })
    }

    pub(crate) fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    pub(crate) fn client_id(&self) -> &str {
        self.client.as_str()
    }

    /// The provider's settings and keys. Asked for when they are needed, so that this program starts
    /// whether the provider is there or not.
    pub(crate) async fn metadata(&self) -> Result<Arc<CoreProviderMetadata>, Failure> {
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = &*known
            && at.elapsed() < BELIEVED
        {
            return Ok(Arc::clone(metadata));
        }
        let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
        let metadata = Arc::new(found.map_err(|_| Failure::Unreachable)?);
        *known = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    async fn client(&self) -> Result<ProviderClient, Failure> {
        let metadata = CoreProviderMetadata::clone(&*self.metadata().await?);
        let secret = Some(self.secret.clone());
        Ok(Client::from_provider_metadata(metadata, self.client.clone(), secret)
            .set_redirect_uri(self.callback.clone()))
    }

    /// Where to send a visitor, and what to keep for when they come back. With `again` the provider
    /// asks who they are even if it knows, with two factors if it can.
    pub(crate) async fn begin(
        &self,
        back: Option<String>,
        again: bool,
    ) -> Result<(String, Begun), Failure> {
        let client = self.client().await?;
        let max_age = if again { Duration::ZERO } else { LONGEST_AGO };
        let since = SystemClock.now().checked_sub(max_age + LEEWAY).ok_or(Failure::Internal)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scope(Scope::new("email".to_owned()))
            // `auth_time` comes with it (OpenID Connect Core, 3.1.2.1).
            .set_max_age(max_age)
            .set_pkce_challenge(challenge);
        if again {
            request = request
                .add_prompt(CoreAuthPrompt::Login)
                .add_auth_context_value(AuthenticationContextClass::new(TWO_FACTORS.to_owned()));
        }
        let (url, state, nonce) = request.url();
        Ok((url.into(), Begun { state, nonce, verifier: verifier.into_secret(), since, back }))
    }

    /// Has the provider say who came back with this code. It does only if the code belongs to the
    /// log-in that was begun: the verifier shows that to the provider, the nonce to us.
    pub(crate) async fn finish(&self, begun: Begun, code: String) -> Result<Proven, Failure> {
        let client = self.client().await?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| Failure::Unreachable)?
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier))
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::ServerResponse(_) => Failure::NotProven,
                _ => Failure::Unreachable,
            })?;
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
        let token = tokens.id_token().ok_or(Failure::NotProven)?;
        let claims = token.claims(&verifier, &begun.nonce).map_err(|_| Failure::NotProven)?;
        // Who asks for an age checks it (OpenID Connect Core, 2): a provider may ignore the wish.
        let authenticated_at = claims.auth_time().map(SystemTime::from);
        let authenticated_at =
            authenticated_at.filter(|at| *at >= begun.since).ok_or(Failure::NotProven)?;
        let methods = claims.auth_method_refs().map_or(&[][..], Vec::as_slice);
        let verified = claims.email_verified() == Some(true);
        Ok(Proven {
            subject: claims.subject().to_string(),
            sid: claims.additional_claims().sid.clone(),
            acr: claims.auth_context_ref().map(|acr| acr.to_string()),
            amr: methods.iter().map(|method| method.to_string()).collect(),
            authenticated_at,
            verified_email: claims.email().filter(|_| verified).map(|email| email.to_string()),
        })
    }
}

/// How long ago somebody may have logged in at the provider to be let in here without being asked.
const LONGEST_AGO: Duration = Duration::from_secs(12 * 3600);

/// What clocks may differ by.
const LEEWAY: Duration = Duration::from_secs(30);

/// What we read of an ID token beyond the standard claims.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct More {
    sid: Option<String>,
}

impl AdditionalClaims for More {}

type Fields = IdTokenFields<
    More,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type ProviderClient = Client<
    More,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;
