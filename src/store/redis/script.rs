//! The scripts, each one atomic step on the server.

use std::sync::LazyLock;

use redis::{Arg, Cmd, Script, ServerErrorKind, ToRedisArgs, Value};
use tokio::time::Instant;

use super::failure::{Failure, unexpected};
use super::fleet::{Effect, Fleet};
use crate::error::StoreError;

/// A script and its name on the server.
pub(super) struct Lua {
    code: &'static str,
    sha: String,
}

/// Each is put together of what it needs: a function costs time in every run, used or not.
macro_rules! scripts {
    ($($name:ident: $($part:literal)+;)+) => {$(
        pub(super) static $name: LazyLock<Lua> = LazyLock::new(|| {
            Lua::new(concat!($(include_str!(concat!("lua/", $part, ".lua"))),+))
        });
    )+};
}

scripts! {
    CREATE: "read" "time" "place" "leave" "holder" "finish" "create";
    SWAP: "read" "leave" "finish" "swap";
    PUT: "read" "put";
    REPLACE: "replace" "read" "time" "place" "leave" "move";
    TOUCH: "read" "time" "touch";
    DELETE: "read" "delete";
    SUBJECT: "read" "holder" "subject";
    PEEK: "peek";
    ENTER: "time" "place" "enter";
    PROBE: "probe";
}

impl Lua {
    fn new(code: &'static str) -> Self {
        let sha = Script::new(code).get_hash().to_owned();
        Self { code, sha }
    }

    /// Starts a call with these keys. The first one says which server runs it.
    pub(super) fn on<'a, const N: usize>(&'static self, keys: [&'a str; N]) -> Call<'a> {
        let mut command = Cmd::with_capacity(16, 512);
        command.arg("EVALSHA").arg(&self.sha).arg(N).arg(&keys);
        Call { lua: self, route: keys.first().copied().unwrap_or_default(), command }
    }
}

/// A script with its arguments.
pub(super) struct Call<'a> {
    lua: &'static Lua,
    route: &'a str,
    command: Cmd,
}

impl Call<'_> {
    pub(super) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }

    /// Runs it by its name; a server that does not know the name yet is sent the whole text.
    pub(super) async fn run(self, fleet: &Fleet, until: Instant) -> Result<Value, Failure> {
        match fleet.ask(self.route, &self.command, Effect::Once, until).await {
            Err(failure) if failure.refusal() == Some(ServerErrorKind::NoScript) => {
                fleet.ask(self.route, &self.in_full(), Effect::Once, until).await
            }
            answer => answer,
        }
    }

    /// The same where the answer is a list of texts.
    pub(super) async fn texts(
        self,
        fleet: &Fleet,
        until: Instant,
    ) -> Result<Vec<String>, StoreError> {
        texts(self.run(fleet, until).await?)
    }

    fn in_full(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(self.lua.code);
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        command
    }
}

/// The answer as a list of texts.
pub(super) fn texts(value: Value) -> Result<Vec<String>, StoreError> {
    let values = match value {
        Value::Array(values) => values,
        value => vec![value],
    };
    values.into_iter().map(text).collect()
}

fn text(value: Value) -> Result<String, StoreError> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| unexpected()),
        Value::SimpleString(text) => Ok(text),
        Value::Okay => Ok("ok".to_owned()),
        Value::Int(number) => Ok(number.to_string()),
        _ => Err(unexpected()),
    }
}
