//! An access token verified by sessile's layer, beside the same by the library that it uses: time
//! and allocations.
//!
//! `cargo run --profile bench -p sessile-benches --features tokens --bin tokens`
//!
//! Time and not instructions: to step through one Ed25519 signature takes a quarter of a minute.
//! The three take turns, and the median of their ratios counts.
//!
//! The library's row is its own bare verify: signature, audience, times, claims into a struct. That
//! of the layer is a whole request (transport, verify, the extension, the handler that looks at it)
//! in excess of the same service without the layer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future as _;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

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
use tower::{Layer, Service, service_fn};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FORMATS: [&str; 4] = ["HS256", "EdDSA", "v4.local", "v4.public"];
const WARM_UP: usize = 5;
const TURNS: usize = 101;
const PER_TURN: u32 = 50;

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

fn main() {
    if cfg!(debug_assertions) {
        eprintln!("not optimised: these figures mean nothing, use `--profile bench`");
    }
    let (mut library, mut layer) = (BTreeMap::new(), BTreeMap::new());
    let mut bare = BTreeMap::new();
    for format in FORMATS {
        let figures = Figures::of(format);
        let Figures { idle, verify, whole, times } = figures;
        let (cost, allocations) = (whole.time - idle.time, whole.allocations - idle.allocations);
        println!(
            "{format:<10} library {:>8.0} ns ({:.1} allocations)   layer {cost:>8.0} ns \
             ({allocations:.1})   {times:.2} x",
            verify.time, verify.allocations,
        );
        let cell = |cost, times, allocations| Cell {
            cost: round(cost, 0),
            floors: round(times, 2),
            allocations: Some(round(allocations, 1)),
        };
        bare.insert(format.to_owned(), round(idle.time, 0));
        library.insert(format.to_owned(), cell(verify.time, 1.0, verify.allocations));
        layer.insert(format.to_owned(), cell(cost, times, allocations));
    }
    let unit = "nanoseconds per token; of the layer, over the bare service".to_owned();
    let row = |contender: &str, cells| Row { contender: contender.to_owned(), cells };
    let rows = vec![row("the library's verify", library), row("sessile's AccessLayer", layer)];
    report::save("tokens", &Table { unit, machine: Machine::here(), bare, rows });
}

/// What one round takes: nanoseconds, and calls of the allocator.
#[derive(Clone, Copy)]
struct Cost {
    time: f64,
    allocations: f64,
}

struct Figures {
    idle: Cost,
    verify: Cost,
    whole: Cost,
    /// The layer over the bare service, as a multiple of the library's verify.
    times: f64,
}

impl Figures {
    fn of(format: &str) -> Self {
        let mut rounds = ["bare", "library", "layer"].map(|who| subject(who, format));
        let turns: Vec<[f64; 3]> =
            (0..WARM_UP + TURNS).map(|_| rounds.each_mut().map(turn)).collect();
        let turns = &turns[WARM_UP..];
        let mut at = 0;
        let [idle, verify, whole] = rounds.each_mut().map(|round| {
            let time = median(turns.iter().map(|turn| turn[at]));
            at += 1;
            Cost { time, allocations: allocations(round) }
        });
        let times = median(turns.iter().map(|[idle, verify, whole]| (whole - idle) / verify));
        Self { idle, verify, whole, times }
    }
}

/// Nanoseconds per round.
fn turn(round: &mut Round) -> f64 {
    let start = Instant::now();
    (0..PER_TURN).for_each(|_| round());
    start.elapsed().as_nanos() as f64 / f64::from(PER_TURN)
}

fn allocations(round: &mut Round) -> f64 {
    let before = counting::allocations();
    (0..PER_TURN).for_each(|_| round());
    (counting::allocations() - before) as f64 / f64::from(PER_TURN)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
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
