//! An access token verified by sessile's layer, beside the same by the library that it uses:
//! instructions and allocations.
//!
//! `cargo run --profile bench -p sessile-benches --features tokens --bin tokens [rounds]`
//!
//! The library's row is its own bare verify: signature, audience, times, claims into a struct. That
//! of the layer is a whole request (transport, verify, the extension, the handler that looks at it)
//! in excess of the same service without the layer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::env;
use std::future::Future as _;
use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use pasetors::claims::ClaimsValidationRules;
use pasetors::keys::{AsymmetricPublicKey, SymmetricKey};
use pasetors::token::UntrustedToken;
use pasetors::version4::V4;
use serde::{Deserialize, Serialize};
use sessile::token::{
    Access, AccessLayer, CannotBeRevoked, Jwt, JwtKey, NewToken, Paseto, PasetoKey, PasetoKeyPair,
    Tokens,
};
use sessile_benches::counting::{self, Counting};
use sessile_benches::report::{self, Cell, Machine, Row, Table, round};
use sessile_benches::stepping;
use tower::{Layer, Service, service_fn};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FORMATS: [&str; 4] = ["HS256", "EdDSA", "v4.local", "v4.public"];
const WARM_UP: u64 = 50;

#[derive(Serialize, Deserialize)]
struct Role {
    role: String,
}

/// What the library is asked for: the same claims.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(rename = "type")]
    kind: String,
    role: String,
}

type Round = Box<dyn FnMut()>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", who, format, rounds] => {
            let mut round = warm(who, format);
            stepping::mark();
            (0..rounds.parse().expect("a number")).for_each(|_| round());
            stepping::mark();
            ExitCode::SUCCESS
        }
        [] => compare(8),
        [rounds] => compare(rounds.parse().expect("a number")),
        _ => ExitCode::FAILURE,
    }
}

fn warm(who: &str, format: &str) -> Round {
    let mut round = subject(who, format);
    (0..WARM_UP).for_each(|_| round());
    round
}

fn compare(rounds: u64) -> ExitCode {
    if cfg!(debug_assertions) {
        eprintln!("not optimised: these figures mean nothing, use `--profile bench`");
    }
    let (mut library, mut layer) = (BTreeMap::new(), BTreeMap::new());
    let mut bare = BTreeMap::new();
    for format in FORMATS {
        let [idle, own, ours] =
            ["bare", "library", "layer"].map(|who| measure(who, format, rounds));
        let cost = ours.0 - idle.0;
        let times = cost / own.0;
        println!(
            "{format:<10} library {:>9.0} ({:.1} allocations)   layer {cost:>9.0} ({:.1})   {times:.2} x",
            own.0,
            own.1,
            ours.1 - idle.1
        );
        let cell = |cost, times, allocations| Cell {
            cost: round(cost, 0),
            floors: round(times, 2),
            allocations: Some(round(allocations, 1)),
        };
        bare.insert(format.to_owned(), round(idle.0, 0));
        library.insert(format.to_owned(), cell(own.0, 1.0, own.1));
        layer.insert(format.to_owned(), cell(cost, times, ours.1 - idle.1));
    }
    let unit = "user-mode instructions per token; of the layer, over the bare service".to_owned();
    let row = |contender: &str, cells| Row { contender: contender.to_owned(), cells };
    let rows = vec![row("the library's verify", library), row("sessile's AccessLayer", layer)];
    report::save("tokens", &Table { unit, machine: Machine::here(), bare, rows });
    ExitCode::SUCCESS
}

/// Instructions and allocations of one round.
fn measure(who: &str, format: &str, rounds: u64) -> (f64, f64) {
    let arguments = ["serve", who, format, &rounds.to_string()];
    let counted = stepping::count(&mut report::myself(&arguments)).expect("a traceable process");
    let mut round = warm(who, format);
    let before = counting::allocations();
    (0..rounds).for_each(|_| round());
    let allocations = counting::allocations() - before;
    (counted as f64 / rounds as f64, allocations as f64 / rounds as f64)
}

fn subject(who: &str, format: &str) -> Round {
    let (tokens, library) = contender(format);
    let new = NewToken::access("8c6f4d0a-0f39-4f0e-9a55-6d4f0a3b9c11");
    // pasetors wants every token to have a beginning.
    let new = new.not_before(Duration::from_millis(1));
    let new = new.with(Role { role: "user".to_owned() });
    let token = tokens.issue(&new).expect("a token");
    match who {
        "library" => library(token),
        "layer" => {
            let handler = service_fn(|request: Request<()>| async move {
                let access = Access::<Role>::of(&request).expect("a good token");
                assert_eq!(access.more.role, "user");
                Ok::<_, Infallible>(Response::new(()))
            });
            requests(AccessLayer::<Role>::new(tokens, CannotBeRevoked).layer(handler), token)
        }
        _ => requests(
            service_fn(|request: Request<()>| async move {
                black_box(&request);
                Ok::<_, Infallible>(Response::new(()))
            }),
            token,
        ),
    }
}

/// The way in and out of a service that never waits.
fn requests<S>(mut service: S, token: String) -> Round
where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible> + 'static,
{
    let line = HeaderValue::try_from(format!("Bearer {token}")).expect("a header line");
    Box::new(move || {
        let mut request = Request::new(());
        request.headers_mut().insert(AUTHORIZATION, line.clone());
        request.extensions_mut().insert(7_u8);
        let mut answer = pin!(service.call(request));
        let ready = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(ready, Poll::Ready(Ok(_))));
    })
}

type Library = Box<dyn FnOnce(String) -> Round>;

fn contender(format: &str) -> (Tokens, Library) {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).expect("random bytes");
    match format {
        "HS256" => {
            let jwt = Jwt::new(JwtKey::hs256(&secret).expect("32 random bytes"));
            (
                Tokens::new(jwt, "shop"),
                jwt_library(Algorithm::HS256, DecodingKey::from_secret(&secret)),
            )
        }
        "EdDSA" => {
            let jwt = Jwt::new(JwtKey::eddsa_pem(ED25519).expect("a key"));
            let public = DecodingKey::from_ed_pem(ED25519_PUBLIC.as_bytes()).expect("a key");
            (Tokens::new(jwt, "shop"), jwt_library(Algorithm::EdDSA, public))
        }
        "v4.local" => {
            let key = PasetoKey::from_bytes(&secret).expect("32 random bytes");
            let theirs = SymmetricKey::<V4>::from(&secret).expect("32 bytes");
            let library = move |token: String| -> Round {
                let rules = rules();
                Box::new(move || {
                    let token = UntrustedToken::try_from(&*token).expect("a token");
                    let opened = pasetors::local::decrypt(&theirs, &token, &rules, None, None);
                    paseto_claims(opened.expect("a good token").payload());
                })
            };
            (Tokens::new(Paseto::local(key), "shop"), Box::new(library))
        }
        _ => {
            let pair = PasetoKeyPair::generate().expect("random bytes");
            let theirs = AsymmetricPublicKey::<V4>::from(&pair.public_bytes()).expect("a key");
            let library = move |token: String| -> Round {
                let rules = rules();
                Box::new(move || {
                    let token = UntrustedToken::try_from(&*token).expect("a token");
                    let opened = pasetors::public::verify(&theirs, &token, &rules, None, None);
                    paseto_claims(opened.expect("a good token").payload());
                })
            };
            (Tokens::new(Paseto::public(pair), "shop"), Box::new(library))
        }
    }
}

fn jwt_library(algorithm: Algorithm, key: DecodingKey) -> Library {
    Box::new(move |token| {
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["shop"]);
        validation.validate_nbf = true;
        Box::new(move || {
            let data = jsonwebtoken::decode::<Claims>(&token, &key, &validation);
            judge(&data.expect("a good token").claims);
        })
    })
}

fn rules() -> ClaimsValidationRules {
    let mut rules = ClaimsValidationRules::new();
    rules.validate_audience_with("shop");
    rules
}

fn paseto_claims(payload: &str) {
    judge(&serde_json::from_str(payload).expect("claims"));
}

fn judge(claims: &Claims) {
    assert!(claims.kind == "access" && claims.role == "user");
    black_box(&claims.sub);
}

const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEILB1WNBwOBWzI5N+o01CBeIOboEiP/rows9KEA6m7RvW
-----END PRIVATE KEY-----";
const ED25519_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA5z+17cD2EKNq668YbICsvADCeiIoyuXf5Zh5LQOjDdM=
-----END PUBLIC KEY-----";
