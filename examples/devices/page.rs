//! The pages. The one script shows what the event stream says.

use super::Device;

const STYLE: &str = "body{font:1rem/1.5 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem}\
    table{width:100%;border-collapse:collapse}td,th{text-align:left;padding:.4rem 0;border-bottom:1px solid #ddd}\
    form{display:inline}#state{padding:.5rem 1rem;background:#eef;border-radius:.3rem}";

pub(super) fn login() -> String {
    page(
        "<h1>Log in</h1><form method=post action=/login>\
         <input name=name placeholder='Your name' required maxlength=40 autofocus> \
         <button>Log in</button></form>",
    )
}

pub(super) fn devices(name: &str, devices: &[Device]) -> String {
    let rows: String = devices.iter().map(row).collect();
    page(&format!(
        "<h1>{}, you are logged in here</h1><p id=state>connecting…</p>\
         <table><tr><th>device</th><th>logged in</th><th>last seen</th><th></th></tr>{rows}</table>\
         <p><form method=post action=/sign-out-others><button id=others>Sign out all others</button></form> \
         <form method=post action=/logout><button>Log out here</button></form></p>\
         <script>const state=document.getElementById('state'),source=new EventSource('/events');\
         source.onmessage=()=>state.textContent='live';\
         source.addEventListener('signed-out',event=>{{source.close();\
         state.textContent='signed out: '+event.data}});</script>",
        escape(name)
    ))
}

fn row(device: &Device) -> String {
    let Device { id, current, logged_in, last_seen } = device;
    let short: String = id.to_string().chars().take(8).collect();
    let action = if *current {
        "this device".to_owned()
    } else {
        format!("<form method=post action=/devices/{id}/sign-out><button>Sign out</button></form>")
    };
    format!(
        "<tr><td>{short}</td><td>{logged_in} s ago</td><td>{last_seen} s ago</td><td>{action}</td></tr>"
    )
}

fn page(body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport \
         content='width=device-width'><title>Devices</title><style>{STYLE}</style>{body}"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
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
