//! `examples/openapi.rs`: an API document that tells of sessions, and Swagger UI without network.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::http_support::{Program, Visitor, get, post, send, serve};

#[tokio::test]
async fn seed19_x15_the_document_tells_how_to_show_a_session_where_one_is_wanted_and_what_refusals_say()
 {
    let (_program, address) = serve("openapi");
    let reply = send(address, get("/openapi.json")).await;
    let document: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({
            "cookie.sid": { "type": "apiKey", "in": "cookie", "name": "sid" },
            "bearer": { "type": "http", "scheme": "bearer" },
        })
    );
    let either = json!([{ "cookie.sid": [] }, { "bearer": [] }]);
    for (path, method) in [("/me", "get"), ("/log_out", "post")] {
        let operation = &document["paths"][path][method];
        assert_eq!(operation["security"], either, "{path}");
        for status in ["401", "403"] {
            let content = &operation["responses"][status]["content"]["application/problem+json"];
            assert_eq!(content["schema"]["$ref"], "#/components/schemas/SessionRefusal", "{path}");
        }
    }
    let open = &document["paths"]["/log_in"]["post"];
    assert!(open.get("security").is_none() && open["responses"].get("401").is_none());

    // The guard refuses in the very words of the document.
    let refused = send(address, get("/me")).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.lines("content-type"), ["application/problem+json"]);
    let said: Value = serde_json::from_str(&refused.body).unwrap();
    let examples = &document["paths"]["/me"]["get"]["responses"]["401"]["content"]["application/problem+json"]
        ["examples"];
    assert_eq!(said, examples["no_ticket"]["value"]);
}

#[tokio::test]
async fn either_of_the_documented_ways_opens_the_guarded_part() {
    let (_program, address) = serve("openapi");
    let mut browser = Visitor::new(address);
    let mut log_in = post("/log_in");
    log_in.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    *log_in.body_mut() = r#"{"name":"alice"}"#.into();
    assert_eq!(browser.send(log_in).await.status, 204);
    assert_eq!(browser.get("/me").await.said(), (200, r#"{"name":"alice"}"#));

    // A ticket is signed for its transport: that of the cookie is no bearer token.
    let mut moved = get("/me");
    let bearer = format!("Bearer {}", browser.cookie("sid").unwrap());
    moved.headers_mut().insert(AUTHORIZATION, bearer.parse().unwrap());
    assert_eq!(send(address, moved).await.status, 401);
    assert_eq!(browser.post("/log_out").await.status, 204);
    assert_eq!(browser.get("/me").await.status, 401);
}

#[tokio::test]
async fn the_page_and_all_that_it_loads_come_from_this_server() {
    let (_program, address) = serve("openapi");
    let page = send(address, get("/docs/")).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.lines("content-type")[0].starts_with("text/html"));
    let loaded: Vec<_> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| page.body.split(*attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(loaded.iter().any(|asset| asset.ends_with("swagger-ui-bundle.js")), "{loaded:?}");
    for asset in loaded {
        assert!(!asset.contains("//"), "{asset} is on another server");
        if !asset.ends_with(".png") {
            let path = format!("/docs/{}", asset.trim_start_matches("./"));
            let reply = send(address, get(&path)).await;
            assert_eq!((reply.status, reply.body.is_empty()), (200, false), "{path}");
        }
    }
    let setup = send(address, get("/docs/swagger-initializer.js")).await;
    assert!(setup.body.contains("/openapi.json"), "{}", setup.body);
}

#[test]
fn r13_the_report_is_printed_at_the_start_for_people_and_for_programs() {
    let (program, _) = first_lines("report");
    let text = program.join("\n");
    for part in ["profile               aal2", "transport             cookie sid: HttpOnly"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains("NIST 5.1.1 (1) (AAL1)"), "{text}");
    let (program, _) = first_lines("json");
    let report: Value = serde_json::from_str(&program[0]).unwrap();
    assert_eq!(report["profile"]["level"], "aal2");
    assert_eq!(report["limit"], json!({ "sessions": 5, "then": "evict_oldest" }));
}

/// What the program says before it listens.
fn first_lines(argument: &str) -> (Vec<String>, Program) {
    let program = Program::run("openapi", &[argument], &[]);
    let lines = std::iter::from_fn(|| program.line()).take_while(|line| !line.contains("http://"));
    (lines.collect(), program)
}
