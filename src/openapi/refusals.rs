//! How guarded operations refuse, as responses of a document.

use std::collections::BTreeMap;

use http::StatusCode;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use serde_json::Value;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::Header;
use utoipa::openapi::response::{Response, Responses};
use utoipa::openapi::schema::{Components, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Content, Ref, RefOr};

use crate::{ConfigError, Refusal, Refusals};

/// What a guard refuses with, of its own and for want of a session.
const UNMET: [Refusal; 6] = [
    Refusal::NoTicket,
    Refusal::InvalidTicket,
    Refusal::SessionEnded,
    Refusal::SessionVoid,
    Refusal::StepUp,
    Refusal::Forbidden,
];

const PROBLEM: &str = "application/problem+json";
const SCHEMA: &str = "SessionRefusal";

/// Adds what these refusals answer to a guarded operation's responses; those that are there stay.
pub(super) fn document(refusals: &[Refusals], responses: &mut Responses) {
    let mut documented: BTreeMap<u16, Response> = BTreeMap::new();
    for refusals in refusals {
        for refusal in UNMET {
            let answer = refusals.respond(refusal);
            let status = answer.status();
            let response = documented.entry(status.as_u16()).or_insert_with(|| described(status));
            explain(response, refusal, &answer);
        }
    }
    for (status, response) in documented {
        responses.responses.entry(status.to_string()).or_insert(RefOr::T(response));
    }
}

fn described(status: StatusCode) -> Response {
    let mut response = Response::new(status.canonical_reason().unwrap_or("Refused"));
    if status == StatusCode::UNAUTHORIZED {
        let mut challenge = Header::default();
        challenge.description = Some("How to show a session (RFC 9110, 11.6.1).".to_owned());
        response.headers.insert(WWW_AUTHENTICATE.to_string(), RefOr::T(challenge));
    }
    response
}

/// Shows the body of one refusal as an example under its kind.
fn explain(response: &mut Response, refusal: Refusal, answer: &http::Response<String>) {
    let Some(kind) = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else {
        return;
    };
    let content = response.content.entry(kind.to_owned()).or_insert_with(|| {
        let schema = (kind == PROBLEM).then(|| Ref::from_schema_name(SCHEMA));
        RefOr::T(Content::new(schema))
    });
    let RefOr::T(content) = content else { return };
    let text = || Value::String(answer.body().clone());
    let body = serde_json::from_str(answer.body()).unwrap_or_else(|_| text());
    let example = ExampleBuilder::new().value(Some(body)).build();
    content.examples.entry(refusal.kind().to_owned()).or_insert(RefOr::T(example));
}

/// Adds the schema that problem+json refusals refer to.
pub(super) fn add_schema(components: &mut Components) -> Result<(), ConfigError> {
    let schema = RefOr::T(schema());
    match components.schemas.get(SCHEMA) {
        Some(other) if *other != schema => Err(ConfigError::new(format!(
            "the document has another schema named `{SCHEMA}`: rename it"
        ))),
        _ => {
            components.schemas.insert(SCHEMA.to_owned(), schema);
            Ok(())
        }
    }
}

/// RFC 9457, with `kind` for programs.
fn schema() -> Schema {
    let text = |description: &str| {
        ObjectBuilder::new().schema_type(Type::String).description(Some(description))
    };
    let status = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some("The status of the response."));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("Why a request was refused (RFC 9457)."))
        .property("type", text("`about:blank`: the status says what it means."))
        .property("title", text("The status in words."))
        .property("status", status)
        .property(
            "kind",
            text("The reason, for programs.").enum_values(Some(UNMET.map(Refusal::kind))),
        )
        .property("detail", text("The reason, for people."))
        .required("type")
        .required("title")
        .required("status")
        .required("kind")
        .required("detail")
        .into()
}
