//! The demo's pages: plain HTML and CSS.

use sessile::{Session, Timestamp};

use crate::Member;

/// The form to log in with, and why it is shown if there is a reason.
pub(crate) fn login(notice: &str) -> String {
    let notice = match notice {
        "" => String::new(),
        text => format!(r#"<p class="notice" role="alert">{}</p>"#, escape(text)),
    };
    page(
        "Log in",
        &format!(
            r#"<h1>Log in</h1>
<p class="lead">Any name will do: this demo asks for no password.</p>
{notice}
<form method="post" action="/login">
  <label for="name">Your name</label>
  <input id="name" name="name" required maxlength="40" autocomplete="username" autofocus>
  <button>Log in</button>
</form>"#
        ),
    )
}

/// Who is logged in, how often they were here, and what there is to know about the session.
pub(crate) fn profile(name: &str, visits: u32, session: &Session<Member>) -> String {
    let name = escape(name);
    let times = if visits == 1 { "visit" } else { "visits" };
    let facts = match (session.id(), session.meta(), session.expiry()) {
        (Some(id), Some(meta), Some(expiry)) => format!(
            r#"<dl>
  <div><dt>Public handle</dt><dd><code id="handle">{id}</code></dd></div>
  <div><dt>Logged in at</dt><dd>{}</dd></div>
  <div><dt>Expires at</dt><dd>{} <small>unless you come back before</small></dd></div>
  <div><dt>Ends at</dt><dd>{} <small>in any case</small></dd></div>
</dl>"#,
            time_of_day(meta.created),
            time_of_day(expiry.into()),
            time_of_day(meta.absolute),
        ),
        _ => String::new(),
    };
    page(
        &format!("{name}’s profile"),
        &format!(
            r#"<h1>Welcome, <span id="who">{name}</span>!</h1>
<p class="count"><strong id="visits">{visits}</strong> {times}</p>
{facts}
<p class="hint">The handle names the session; what opens it is the signed ticket in your cookie.
Reload, and the counter goes up.</p>
<form method="post" action="/logout"><button class="quiet">Log out</button></form>"#
        ),
    )
}

fn page(title: &str, content: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · sessile</title>
<link rel="icon" href="data:,">
<style>
{STYLE}</style>
</head>
<body>
<main>
<p class="brand"><svg viewBox="1 2 22 20" aria-hidden="true"><path d="M2 21 8 8h8l6 13z"/><path d="M8 8c1-6 7-6 8 0"/><path d="m10.5 8-2 13m5-13 2 13"/></svg>sessile</p>
{content}
</main>
</body>
</html>
"#
    )
}

/// Text that a visitor wrote, as text: never as markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn time_of_day(at: Timestamp) -> String {
    let minutes = at.as_millis() / 60_000;
    format!("{:02}:{:02} UTC", minutes / 60 % 24, minutes % 60)
}

const STYLE: &str = include_str!("style.css");
