//! Session layers in OpenAPI documents: schemes that never hide each other, requirements where the
//! guards are, refusals as they are sent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, clippy::exhaustive_structs, reason = "handlers that are only documented")]

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Value, json};
use sessile::codec::{FastapiSessions, Sealed};
use sessile::openapi::{Operations, Security, SessionDocs};
use sessile::store::MemoryStore;
use sessile::transport::{
    Bearer, Candidates, Cookie, Description, Header, Place, Query, TooLong, Transport,
};
use sessile::{Key, Refusals, Revocation, SessionLayer, Values};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[utoipa::path(get, path = "/whoami", tag = "member", responses((status = 200)))]
async fn whoami() {}

#[utoipa::path(
    post, path = "/delete_session", tag = "member",
    responses((status = 200), (status = 403, description = "said by hand"))
)]
async fn delete_session() {}

#[utoipa::path(post, path = "/create_session", responses((status = 200)))]
async fn create_session() {}

#[utoipa::path(delete, path = "/items/{id}", tags = ["member", "admin"], responses((status = 204)))]
async fn delete_item() {}

#[utoipa::path(
    get, path = "/metrics", tag = "admin", security(("scraper" = [])), responses((status = 200))
)]
async fn metrics() {}

#[derive(OpenApi)]
#[openapi(paths(whoami, delete_session, create_session, delete_item, metrics))]
struct Api;

fn layer(transport: impl Transport) -> SessionLayer<Values> {
    SessionLayer::new(MemoryStore::new(), Key::generate()).transport(transport)
}

fn user() -> Security {
    Security::of(&layer(Cookie::named("user")))
}

fn admin() -> Security {
    Security::of(&layer(Cookie::named("admin")))
}

/// The document with these rules, as a client sees it.
fn documented(docs: &SessionDocs) -> Value {
    let mut document = Api::openapi();
    docs.modify(&mut document);
    serde_json::to_value(document).unwrap()
}

fn schemes(security: &Security) -> Value {
    security.schemes().map(|(name, scheme)| (name.to_owned(), scheme)).collect()
}

fn requirement(security: &Security) -> Value {
    serde_json::to_value(security.requirement()).unwrap()
}

#[test]
fn seed19_the_scheme_of_a_cookie_named_cookie_is_exactly_the_seeds() {
    let security = Security::of(&layer(Cookie::named("cookie"))).named("cookie", "SessionCookie");
    let (name, scheme) = security.schemes().next().unwrap();
    assert_eq!(name, "SessionCookie");
    assert_eq!(scheme, json!({ "type": "apiKey", "in": "cookie", "name": "cookie" }));
    assert_eq!(requirement(&security), json!([{ "SessionCookie": [] }]));
}

#[test]
fn seed19_x15_guarded_operations_and_no_others_say_what_they_want() {
    let security = Security::of(&layer(Cookie::named("cookie"))).named("cookie", "SessionCookie");
    let document = documented(&SessionDocs::new().guard(Operations::tagged("member"), security));
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({ "SessionCookie": { "type": "apiKey", "in": "cookie", "name": "cookie" } })
    );
    let paths = &document["paths"];
    let wanted = json!([{ "SessionCookie": [] }]);
    assert_eq!(paths["/whoami"]["get"]["security"], wanted);
    assert_eq!(paths["/delete_session"]["post"]["security"], wanted);
    assert_eq!(paths["/items/{id}"]["delete"]["security"], wanted);
    let open = &paths["/create_session"]["post"];
    assert!(open.get("security").is_none() && open["responses"].get("401").is_none(), "{open}");
}

#[test]
fn seed19_each_transport_has_the_scheme_that_openapi_has_for_it() {
    let security = Security::of(
        &layer(Cookie::host("sid"))
            .or_transport(Header::named("X-Session"))
            .or_transport(Bearer::new()),
    );
    assert_eq!(
        schemes(&security),
        json!({
            "cookie.__Host-sid": { "type": "apiKey", "in": "cookie", "name": "__Host-sid" },
            "header.x-session": { "type": "apiKey", "in": "header", "name": "x-session" },
            "bearer": { "type": "http", "scheme": "bearer" },
        })
    );
}

#[test]
fn seed19_every_layer_that_can_be_built_of_our_own_parts_can_be_documented() {
    let ours = layer(Cookie::host("sid"))
        .or_transport(Cookie::named("sid").path("/a"))
        .or_transport(Header::named("x-session"))
        .or_transport(Header::named("x-ticket"))
        .or_transport(Bearer::new().write_to("x-session"))
        .or_transport(Query::named("ticket"))
        .or_transport_with(Cookie::named("cookie"), FastapiSessions::new("a").read_only());
    let own = |name: &str| {
        (format!("cookie.{name}"), json!({ "type": "apiKey", "in": "cookie", "name": name }))
    };
    let header = |name: &str| {
        (format!("header.{name}"), json!({ "type": "apiKey", "in": "header", "name": name }))
    };
    let expected: serde_json::Map<_, _> = [
        own("__Host-sid"),
        own("sid"),
        own("cookie"),
        header("x-session"),
        header("x-ticket"),
        ("bearer".to_owned(), json!({ "type": "http", "scheme": "bearer" })),
    ]
    .into_iter()
    .collect();
    // A single-use ticket opens one handshake, and no operation of the document.
    assert_eq!(schemes(&Security::of(&ours)), Value::Object(expected));
    assert_eq!(Security::of(&ours).requirement().len(), 6);
    let report: Value = serde_json::from_str(&ours.report().to_json()).unwrap();
    assert_eq!(report["transports"].as_array().unwrap().len(), 7);

    let carried =
        SessionLayer::<Values>::carried(Sealed::new(Key::generate()), Revocation::impossible())
            .or_transport(Header::named("x-session"));
    assert_eq!(
        requirement(&Security::of(&carried)),
        json!([{ "cookie.__Host-sid": [] }, { "header.x-session": [] }])
    );
}

#[test]
fn x15_of_several_transports_either_suffices_in_the_order_in_which_they_are_tried() {
    let sessions = layer(Bearer::new()).or_transport(Cookie::named("access_token_cookie"));
    let security = Security::of(&sessions)
        .named("authorization", "Token")
        .named("access_token_cookie", "APIKeyCookie");
    assert_eq!(requirement(&security), json!([{ "Token": [] }, { "APIKeyCookie": [] }]));
}

#[test]
fn b12_two_layers_are_two_schemes_and_neither_hides_the_other() {
    let docs = SessionDocs::new()
        .guard(Operations::tagged("member"), user())
        .guard(Operations::tagged("admin"), admin());
    let document = documented(&docs);
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({
            "cookie.user": { "type": "apiKey", "in": "cookie", "name": "user" },
            "cookie.admin": { "type": "apiKey", "in": "cookie", "name": "admin" },
        })
    );
    let paths = &document["paths"];
    assert_eq!(paths["/whoami"]["get"]["security"], json!([{ "cookie.user": [] }]));
    let both = json!([{ "cookie.admin": [], "cookie.user": [] }]);
    assert_eq!(paths["/items/{id}"]["delete"]["security"], both, "guarded twice");
    let own = json!([{ "scraper": [] }]);
    assert_eq!(paths["/metrics"]["get"]["security"], own, "what the operation says itself stays");
}

#[test]
fn b12_one_name_for_two_schemes_is_an_error_at_construction_that_names_both() {
    let user = || user().named("user", "SessionCookie");
    let admin = || admin().named("admin", "SessionCookie");
    let docs = SessionDocs::new().guard(Operations::tagged("member"), user());
    let two_transports = Security::of(&layer(Cookie::named("user")).or_transport(Bearer::new()))
        .named("user", "one");
    let errors = [
        ("two guards", docs.try_guard(Operations::tagged("admin"), admin()).unwrap_err()),
        ("both", user().try_and(admin()).unwrap_err()),
        ("either", user().try_or(admin()).unwrap_err()),
        ("within a layer", two_transports.try_named("authorization", "one").unwrap_err()),
    ];
    for (name, error) in errors {
        let text = error.to_string();
        assert!(text.contains("`user`") && text.contains("Security::named"), "{name}: {text}");
    }
}

#[test]
fn b12_the_same_scheme_twice_is_one() {
    let (one, two) = (layer(Bearer::new()), layer(Bearer::new()));
    let docs = SessionDocs::new()
        .guard(Operations::tagged("member"), Security::of(&one))
        .guard(Operations::tagged("admin"), Security::of(&two));
    let document = documented(&docs);
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.len(), 1);
    assert_eq!(document["paths"]["/items/{id}"]["delete"]["security"], json!([{ "bearer": [] }]));
}

#[test]
fn b12_a_scheme_or_schema_that_the_document_has_under_our_name_is_an_error_and_stays() {
    let docs = SessionDocs::new().guard(Operations::tagged("member"), user());
    let mut document = Api::openapi();
    let other = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-key")));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("cookie.user", other);
    let before = serde_json::to_value(&document).unwrap();
    let error = docs.apply(&mut document).unwrap_err().to_string();
    assert!(error.contains("`cookie.user`") && error.contains("Security::named"), "{error}");
    assert_eq!(serde_json::to_value(&document).unwrap(), before);

    let mut document = Api::openapi();
    let components = document.components.get_or_insert_default();
    components
        .schemas
        .insert("SessionRefusal".to_owned(), utoipa::openapi::Schema::default().into());
    let error = docs.apply(&mut document).unwrap_err().to_string();
    assert!(error.contains("`SessionRefusal`"), "{error}");

    let mut twice = Api::openapi();
    docs.modify(&mut twice);
    let once = serde_json::to_value(&twice).unwrap();
    docs.modify(&mut twice);
    assert_eq!(serde_json::to_value(&twice).unwrap(), once, "what is there already is no conflict");
}

#[test]
fn names_that_openapi_does_not_allow_or_no_transport_has_are_refused_with_a_remedy() {
    for name in ["", "Session Cookie", "a/b", "säule"] {
        let error = user().try_named("user", name).unwrap_err().to_string();
        assert!(error.contains("ASCII letters"), "{name:?}: {error}");
    }
    let error = user().try_named("usr", "Session").unwrap_err().to_string();
    assert!(error.contains("`user`"), "{error}");
}

#[test]
fn both_and_either_combine_alternatives() {
    let two = || Security::of(&layer(Cookie::named("user")).or_transport(Bearer::new()));
    assert_eq!(
        requirement(&two().and(admin())),
        json!([
            { "cookie.admin": [], "cookie.user": [] },
            { "bearer": [], "cookie.admin": [] },
        ])
    );
    assert_eq!(
        requirement(&two().or(admin())),
        json!([{ "cookie.user": [] }, { "bearer": [] }, { "cookie.admin": [] }])
    );
}

#[test]
fn operations_are_chosen_by_tag_route_or_rule() {
    let all = ["/create_session", "/delete_session", "/items/{id}", "/whoami"];
    let cases: [(&str, Operations, &[&str]); 6] = [
        ("tag", Operations::tagged("admin"), &["/items/{id}"]),
        ("route", Operations::at(["/whoami", "GET /delete_session"]), &["/whoami"]),
        ("below", Operations::at(["/items/*"]), &["/items/{id}"]),
        ("all but", Operations::all_but(["POST /create_session"]), &all[1..]),
        ("all", Operations::all_but([""; 0]), &all),
        (
            "rule",
            Operations::those(|method, path, operation| {
                !method.is_safe()
                    && path != "/"
                    && operation.operation_id.as_deref() != Some("create_session")
            }),
            &["/delete_session", "/items/{id}"],
        ),
    ];
    for (name, operations, expected) in cases {
        let document = documented(&SessionDocs::new().guard(operations, user()));
        let paths = document["paths"].as_object().unwrap();
        let guarded: Vec<_> = paths
            .iter()
            .filter(|(_, item)| {
                let mut operations = item.as_object().unwrap().values();
                operations.any(|one| one["security"] == json!([{ "cookie.user": [] }]))
            })
            .map(|(path, _)| path.as_str())
            .collect();
        assert_eq!(guarded, expected, "{name}");
    }
}

#[test]
fn a_rule_that_chooses_nothing_is_an_error_and_not_an_open_api() {
    for operations in [
        Operations::tagged("members"),
        Operations::at(["/who_am_i"]),
        Operations::those(|_, _, _| false),
    ] {
        let shown = format!("{operations:?}");
        let docs = SessionDocs::new().guard(operations, user());
        let error = docs.apply(&mut Api::openapi()).unwrap_err().to_string();
        assert!(error.contains(&shown), "{error}");
    }
}

#[test]
fn seed19_refusals_are_documented_as_they_are_sent() {
    let docs = SessionDocs::new().guard(Operations::tagged("member"), user());
    let document = documented(&docs);
    let responses = &document["paths"]["/whoami"]["get"]["responses"];
    let unauthorized = &responses["401"];
    assert!(unauthorized["headers"]["www-authenticate"].is_object(), "{unauthorized}");
    let content = &unauthorized["content"]["application/problem+json"];
    assert_eq!(content["schema"], json!({ "$ref": "#/components/schemas/SessionRefusal" }));
    let kinds: Vec<_> = content["examples"].as_object().unwrap().keys().collect();
    let all = ["invalid_ticket", "no_ticket", "session_ended", "session_void", "step_up"];
    assert_eq!(kinds, all);
    let sent = Refusals::problem().respond(sessile::Refusal::NoTicket);
    let shown = &content["examples"]["no_ticket"]["value"];
    assert_eq!(*shown, serde_json::from_str::<Value>(sent.body()).unwrap());
    let forbidden = &responses["403"]["content"]["application/problem+json"]["examples"];
    assert_eq!(forbidden["forbidden"]["value"]["kind"], "forbidden");

    let by_hand = &document["paths"]["/delete_session"]["post"]["responses"]["403"];
    assert_eq!(*by_hand, json!({ "description": "said by hand" }));

    let schema = &document["components"]["schemas"]["SessionRefusal"];
    assert_eq!(schema["required"], json!(["type", "title", "status", "kind", "detail"]));
    for (name, value) in shown.as_object().unwrap() {
        let kind = if value.is_u64() { "integer" } else { "string" };
        assert_eq!(schema["properties"][name]["type"], kind, "{name}");
    }
    let known = schema["properties"]["kind"]["enum"].as_array().unwrap();
    assert!(all.iter().all(|kind| known.contains(&json!(kind))), "{known:?}");
}

#[test]
fn seed19_refusals_in_other_words_are_documented_in_those() {
    let seeds = layer(Cookie::named("cookie")).refusals(Refusals::fastapi_sessions());
    let odd = layer(Cookie::named("cookie"))
        .refusals(Refusals::problem().unauthenticated(StatusCode::NOT_FOUND, "no such page"));
    let docs = |layer| SessionDocs::new().guard(Operations::tagged("member"), Security::of(layer));
    let document = documented(&docs(&seeds));
    let responses = &document["paths"]["/whoami"]["get"]["responses"];
    let example = |status: &str, kind: &str| {
        responses[status]["content"]["application/json"]["examples"][kind]["value"].clone()
    };
    assert_eq!(example("403", "no_ticket"), json!({ "detail": "No session provided" }));
    assert_eq!(example("401", "invalid_ticket"), json!({ "detail": "Invalid session provided" }));
    assert!(responses["401"]["content"]["application/json"].get("schema").is_none());

    let document = documented(&docs(&odd));
    let responses = &document["paths"]["/whoami"]["get"]["responses"];
    let hidden = &responses["404"]["content"]["application/problem+json"]["examples"];
    assert_eq!(hidden["no_ticket"]["value"]["status"], 404);
}

/// A transport of one's own, which may say where its tickets are.
#[derive(Debug)]
struct Foreign(Option<Description>);

impl Transport for Foreign {
    fn purpose(&self) -> &str {
        "foreign:ticket"
    }

    fn find<'r>(&self, _: &'r HeaderMap, _: &mut Candidates<'r>) {}

    fn attach(&self, _: &mut HeaderMap, _: &str, _: Option<Duration>) -> Result<(), TooLong> {
        Ok(())
    }

    fn clear(&self, _: &mut HeaderMap) {}

    fn reads(&self) -> HeaderName {
        HeaderName::from_static("x-foreign")
    }

    fn describe(&self) -> Description {
        let own = self.0.clone();
        own.unwrap_or_else(|| Description::new(Place::Other, self.purpose()))
    }
}

#[test]
fn b12_a_transport_that_does_not_describe_itself_is_not_left_out_in_silence() {
    let error = Security::try_of(&layer(Foreign(None))).unwrap_err().to_string();
    assert!(error.contains("foreign:ticket") && error.contains("describe"), "{error}");
    let described = Foreign(Some(Description::new(Place::Query, "ticket")));
    assert_eq!(
        schemes(&Security::of(&layer(described))),
        json!({ "query.ticket": { "type": "apiKey", "in": "query", "name": "ticket" } })
    );
    // It reads where another does: one scheme, named once.
    let bearer = Foreign(Some(Bearer::new().describe()));
    let twice = layer(Bearer::new()).or_transport(bearer);
    assert_eq!(requirement(&Security::of(&twice)), json!([{ "bearer": [] }]));
}
