//! House rules that no compiler checks, read off the sources.
//!
//! 1. Imports between the rooms of `src/` go one way; [`ROOMS`] says who lives where.
//! 2. No example in the documentation is `ignore`d.
//! 3. No log line has a field that could hold a secret.
//! 4. The body of a `Service::call` is short: decisions live in pure functions, waiting in futures.
//!
//! The sources are read as tokens, so comments and doc links bind nobody, and neither does what
//! is compiled for tests only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fmt, fs, io};

/// What may import what: a room sees itself and whatever [`may_see`] grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// Vocabulary. Sees the foundation only.
    Foundation,
    /// A contract with its implementations beside it. Sees the foundation and itself.
    Contract,
    /// The protocol. Sees the foundation, the contracts and itself.
    Core,
    /// A door for one kind of user. Sees the foundation and what is public of the rest, but no
    /// other adapter.
    Adapter,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foundation => "foundation",
            Self::Contract => "a contract",
            Self::Core => "core",
            Self::Adapter => "an adapter",
        })
    }
}

/// Every file and folder directly below `src/`, in the one room where it lives.
/// Names that do not exist (yet) do no harm.
#[rustfmt::skip]
const ROOMS: &[(Room, &[&str])] = &[
    (Room::Foundation, &[
        "answer", "assurance", "client", "clock", "context", "error", "event", "expiry",
        "forwarded", "head", "id", "key", "log", "profile", "record", "routes", "same", "signal",
        "site_data", "size", "stripes", "values",
    ]),
    (Room::Contract, &["codec", "store", "transport", "verify"]),
    (Room::Core, &[
        "commit", "endings", "entry", "finish", "future", "hints", "layer", "plan", "refusal", "registry",
        "report", "response", "service", "session", "shared", "spend", "sweeper", "tickets",
        "verdict", "wait",
    ]),
    (Room::Adapter, &[
        "accounts", "csrf", "dbsc", "extract", "grpc", "guard", "guide", "openapi", "testkit",
        "token",
    ]),
];

/// Adapters that may use another adapter: `(who, whom)`.
const ADAPTERS_TOGETHER: &[(&str, &str)] =
    &[("accounts", "guard"), ("csrf", "guard"), ("extract", "guard"), ("grpc", "guard")];

/// The adapter that may use whatever a user may.
const SEES_ALL_THAT_IS_PUBLIC: &str = "testkit";

/// Modules that are not public and that an adapter may use all the same: `(who, what)`.
/// A guard refuses in the same words as the layer, and caches are told in the same way.
const LENT: &[(&str, &str)] = &[
    ("guard", "refusal"),
    ("csrf", "refusal"),
    ("csrf", "response"),
    ("token", "refusal"),
    ("token", "response"),
    ("token", "wait"),
];

/// Words that no field of a log line may end in.
const SECRETS: &[&str] = &["cookie", "data", "key", "secret", "ticket", "token"];

const LONGEST_CALL: usize = 25;

#[test]
fn imports_go_one_way() -> io::Result<()> {
    assert_clean(&wrong_arrows(&sources()?));
    Ok(())
}

#[test]
fn no_doc_example_is_ignored() -> io::Result<()> {
    assert_clean(&ignored_examples(&sources()?));
    Ok(())
}

#[test]
fn no_log_line_has_a_secret_field() -> io::Result<()> {
    assert_clean(&secret_fields(&sources()?));
    Ok(())
}

#[test]
fn service_call_is_short() -> io::Result<()> {
    assert_clean(&long_calls(&sources()?));
    Ok(())
}

fn assert_clean(findings: &[String]) {
    assert!(findings.is_empty(), "\n\n{}\n", findings.join("\n"));
}

// ---- 1. arrows -------------------------------------------------------------------------------

fn wrong_arrows(files: &[Source]) -> Vec<String> {
    let root = Root::of(files);
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_code() && file.path != "lib.rs") {
        let Some(from) = file.module.first() else {
            continue;
        };
        if room(from).is_none() {
            findings.push(format!("src/{}: {}", file.path, unknown(from)));
            continue;
        }
        for route in routes(&file.tokens, &file.module) {
            if let Err(why) = may_see(from, &route, &root) {
                findings.push(format!("src/{}:{}: `{route}`: {why}", file.path, route.line));
            }
        }
    }
    findings
}

fn may_see(from: &str, route: &Route, root: &Root) -> Result<(), String> {
    let Some(first) = route.segments.first() else {
        return Ok(());
    };
    let (to, item) = match room(first) {
        Some(_) => (first.as_str(), route.segments.get(1..).unwrap_or_default()),
        None => match root.exports.get(first) {
            Some(module) => (module.as_str(), route.segments.as_slice()),
            None if first == "*" => return Err("name what is imported, not everything".to_owned()),
            None if route.relative || root.own.contains(first) => return Ok(()),
            None => return Err(unknown(first)),
        },
    };
    if from == to {
        return Ok(());
    }
    let (Some(here), Some(there)) = (room(from), room(to)) else {
        return Err(unknown(to));
    };
    let public = root.open.contains(to)
        || item.iter().any(|name| root.exports.get(name).is_some_and(|module| module == to));
    let no = |why: &str| Err(format!("`{from}` ({here}) must not see `{to}` ({there}): {why}"));
    match (here, there) {
        (_, Room::Foundation) | (Room::Core, Room::Contract | Room::Core) => Ok(()),
        (Room::Foundation, _) => no("the foundation knows only itself"),
        (Room::Contract, _) => no("a contract knows only the foundation and itself"),
        (Room::Core, Room::Adapter) => no("adapters are built on the core, not under it"),
        (Room::Adapter, Room::Adapter)
            if ADAPTERS_TOGETHER.contains(&(from, to))
                || (from == SEES_ALL_THAT_IS_PUBLIC && public) =>
        {
            Ok(())
        }
        (Room::Adapter, Room::Adapter) => no("adapters do not lean on each other"),
        (Room::Adapter, _) if public || LENT.contains(&(from, to)) => Ok(()),
        (Room::Adapter, _) => no("it is not public, and an adapter does what a user could do"),
    }
}

fn room(module: &str) -> Option<Room> {
    let mut found = ROOMS.iter().filter(|(_, modules)| modules.contains(&module));
    found.next().map(|(room, _)| *room)
}

fn unknown(module: &str) -> String {
    format!("`{module}` lives in no room: give it one in ROOMS, in tests/architecture.rs")
}

/// What `lib.rs` makes of the modules.
struct Root {
    /// Re-exported name → the module it comes from.
    exports: BTreeMap<String, String>,
    /// Modules that are public themselves.
    open: BTreeSet<String>,
    /// What `lib.rs` defines in place; nobody's room.
    own: BTreeSet<String>,
}

impl Root {
    fn of(files: &[Source]) -> Self {
        let mut root =
            Self { exports: BTreeMap::new(), open: BTreeSet::new(), own: BTreeSet::new() };
        for file in files.iter().filter(|file| file.path == "lib.rs") {
            for window in file.tokens.windows(4) {
                root.read_item(window);
            }
            for route in routes(&file.tokens, &[]) {
                if let Some(module) = route.segments.first().filter(|name| room(name).is_some()) {
                    root.exports.insert(route.name.clone(), module.clone());
                }
            }
        }
        root
    }

    fn read_item(&mut self, window: &[Token]) {
        let [before, keyword, name, after] = window else {
            return;
        };
        let (Kind::Word(keyword), Kind::Word(name)) = (&keyword.kind, &name.kind) else {
            return;
        };
        match keyword.as_str() {
            "mod" if after.is(';') && before.is_word("pub") => {
                self.open.insert(name.clone());
            }
            "mod" if after.is(';') => {}
            "mod" | "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" => {
                self.own.insert(name.clone());
            }
            _ => {}
        }
    }
}

/// One path that starts at the root of the crate.
struct Route {
    line: usize,
    /// Without the leading `crate`; `*` for a glob.
    segments: Vec<String>,
    /// The name it has where it is imported.
    name: String,
    /// Written with `super`: an inline module may make it end elsewhere than it seems.
    relative: bool,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crate::{}", self.segments.join("::"))
    }
}

/// Every `crate::…` and `super::…` in these tokens, groups resolved.
fn routes(tokens: &[Token], module: &[String]) -> Vec<Route> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let inner = at > 0 && is_path_sep(tokens, at - 1);
        let relative = token.is_word("super");
        let starts = (token.is_word("crate") || relative) && is_path_sep(tokens, at + 1);
        at += 1;
        if inner || !starts {
            continue;
        }
        let mut prefix = Vec::new();
        if relative {
            prefix = parent(module);
            while is_path_sep(tokens, at) && tokens.get(at + 1).is_some_and(|t| t.is_word("super"))
            {
                prefix = parent(&prefix);
                at += 2;
            }
        }
        at += 1;
        tree(tokens, &mut at, prefix, relative, &mut found);
    }
    found
}

/// Reads a path or a group of paths at `at` and leaves `at` behind it.
fn tree(
    tokens: &[Token],
    at: &mut usize,
    mut prefix: Vec<String>,
    relative: bool,
    found: &mut Vec<Route>,
) {
    let line = tokens.get(*at).map_or(0, |token| token.line);
    loop {
        match tokens.get(*at).map(|token| &token.kind) {
            Some(Kind::Word(word)) => {
                if word != "self" {
                    prefix.push(word.clone());
                }
                *at += 1;
                if !is_path_sep(tokens, *at) {
                    break;
                }
                *at += 1;
            }
            Some(Kind::Mark('*')) => {
                prefix.push("*".to_owned());
                *at += 1;
                break;
            }
            Some(Kind::Mark('{')) => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| !token.is('}')) {
                    let before = *at;
                    tree(tokens, at, prefix.clone(), relative, found);
                    if *at == before || tokens.get(*at).is_some_and(|token| token.is(',')) {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            _ => break,
        }
    }
    let Some(mut name) = prefix.last().cloned() else {
        return;
    };
    if let (Some(word), Some(Kind::Word(alias))) =
        (tokens.get(*at), tokens.get(*at + 1).map(|token| &token.kind))
        && word.is_word("as")
    {
        name.clone_from(alias);
        *at += 2;
    }
    found.push(Route { line, segments: prefix, name, relative });
}

fn parent(module: &[String]) -> Vec<String> {
    module.split_last().map(|(_, above)| above.to_vec()).unwrap_or_default()
}

fn is_path_sep(tokens: &[Token], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| token.kind == Kind::PathSep)
}

// ---- 2. doc examples -------------------------------------------------------------------------

fn ignored_examples(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (line, text) in file.text.lines().enumerate() {
            if opens_ignored_example(text, file.is_code()) {
                let line = line + 1;
                findings.push(format!(
                    "src/{}:{line}: an ignored example rots; make it run, no_run or compile_fail",
                    file.path
                ));
            }
        }
    }
    findings
}

fn opens_ignored_example(line: &str, code: bool) -> bool {
    let mut text = line.trim_start();
    if code {
        let Some(doc) = ["///", "//!", "*"].iter().find_map(|mark| text.strip_prefix(mark)) else {
            return false;
        };
        text = doc.trim_start();
    }
    let info = text.trim_start_matches(['`', '~']);
    text.len() - info.len() >= 3
        && info
            .split([',', ' ', '{', '}', '='])
            .any(|word| word == "ignore" || word.starts_with("ignore-"))
}

// ---- 3. log lines ----------------------------------------------------------------------------

fn secret_fields(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_code()) {
        let tokens = &file.tokens;
        for (at, token) in tokens.iter().enumerate() {
            if let Some(open) = log_call(tokens, at) {
                for (line, field) in secrets_in(tokens, open) {
                    findings.push(format!(
                        "src/{}:{line}: `{field}` in a log line: logs are read by many",
                        file.path
                    ));
                }
            }
            if instruments_everything(tokens, at) {
                findings.push(format!(
                    "src/{}:{}: `instrument` without `skip_all` logs every argument",
                    file.path, token.line
                ));
            }
        }
    }
    findings
}

/// If the word at `at` is a logging macro, or something called through `log::` or `tracing::`:
/// where its arguments open.
fn log_call(tokens: &[Token], at: usize) -> Option<usize> {
    const LEVELS: &[&str] = &["trace", "debug", "info", "warn", "error", "event", "span"];
    let Kind::Word(word) = &tokens.get(at)?.kind else {
        return None;
    };
    let bang = tokens.get(at + 1)?.is('!');
    let open = at + 1 + usize::from(bang);
    tokens.get(open).filter(|token| token.is('(') || token.is('[') || token.is('{'))?;
    let level = LEVELS.contains(&word.as_str()) || word.ends_with("_span");
    let through_log = at >= 2
        && is_path_sep(tokens, at - 1)
        && tokens.get(at - 2).is_some_and(|t| t.is_word("log") || t.is_word("tracing"));
    let call = bang && level || through_log && (bang || tokens.get(open)?.is('('));
    call.then_some(open)
}

fn secrets_in(tokens: &[Token], open: usize) -> Vec<(usize, String)> {
    let inside = tokens.get(open..matching(tokens, open)).unwrap_or_default();
    let mut found = Vec::new();
    for token in inside {
        match &token.kind {
            Kind::Word(word) if is_secret(word) => found.push((token.line, word.clone())),
            Kind::Text(text) => {
                for capture in text.split('{').skip(1) {
                    let end = capture.find(['}', ':']).unwrap_or(capture.len());
                    let name = capture.get(..end).unwrap_or_default().trim();
                    if is_secret(name) {
                        found.push((token.line, name.to_owned()));
                    }
                }
                if is_secret(text) {
                    found.push((token.line, text.clone()));
                }
            }
            _ => {}
        }
    }
    found
}

fn is_secret(name: &str) -> bool {
    name.rsplit('_').next().is_some_and(|word| SECRETS.contains(&word))
}

fn instruments_everything(tokens: &[Token], at: usize) -> bool {
    let attribute = at >= 1
        && (tokens.get(at - 1).is_some_and(|token| token.is('['))
            || at >= 3
                && is_path_sep(tokens, at - 1)
                && tokens.get(at - 3).is_some_and(|token| token.is('[')));
    if !attribute || !tokens.get(at).is_some_and(|token| token.is_word("instrument")) {
        return false;
    }
    let arguments = tokens.get(at + 1..matching(tokens, at + 1)).unwrap_or_default();
    !arguments.iter().any(|token| token.is_word("skip_all"))
}

// ---- 4. Service::call ------------------------------------------------------------------------

fn long_calls(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_code()) {
        for (line, lines) in calls(&file.tokens) {
            if lines > LONGEST_CALL {
                findings.push(format!(
                    "src/{}:{line}: the body of this `Service::call` has {lines} lines, more than \
                     {LONGEST_CALL}; move decisions into functions, waiting into the future",
                    file.path
                ));
            }
        }
    }
    findings
}

/// Line and length of the body of each `fn call` in an `impl Service<…> for …`.
fn calls(tokens: &[Token]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| token.is_word("impl")) {
        let Some(open) = next(tokens, at, '{') else {
            continue;
        };
        let header = tokens.get(at..open).unwrap_or_default();
        let of_service = header
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.is_word("Service") && b.is('<')));
        if !of_service || !header.iter().any(|token| token.is_word("for")) {
            continue;
        }
        let close = matching(tokens, open);
        for inner in open..close {
            let is_call = tokens.get(inner).is_some_and(|token| token.is_word("fn"))
                && tokens.get(inner + 1).is_some_and(|token| token.is_word("call"));
            if let Some(body) = is_call.then(|| next(tokens, inner, '{')).flatten() {
                let line = |at: usize| tokens.get(at).map_or(0, |token| token.line);
                let lines = line(matching(tokens, body)).saturating_sub(line(body) + 1);
                found.push((line(inner), lines));
            }
        }
    }
    found
}

fn next(tokens: &[Token], from: usize, mark: char) -> Option<usize> {
    (from..tokens.len()).find(|at| tokens.get(*at).is_some_and(|token| token.is(mark)))
}

// ---- reading ---------------------------------------------------------------------------------

/// A file below `src/`.
struct Source {
    /// Relative to `src/`, with `/`.
    path: String,
    text: String,
    /// Of a Rust file: what it is made of, less what is compiled for tests only.
    tokens: Vec<Token>,
    module: Vec<String>,
}

impl Source {
    fn new(path: &str, text: &str) -> (Self, Vec<String>) {
        let mut module: Vec<String> = path.split('/').map(|part| part.replace(".rs", "")).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
            module.pop();
        }
        let (tokens, test_modules) = if path.ends_with(".rs") {
            without_tests(tokens(text))
        } else {
            (Vec::new(), Vec::new())
        };
        let folder = module.join("/");
        let test_modules = test_modules
            .iter()
            .map(|name| if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") });
        let test_modules = test_modules.collect();
        (Self { path: path.to_owned(), text: text.to_owned(), tokens, module }, test_modules)
    }

    fn is_code(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// What is below `src/`, without the files that are compiled for tests only.
fn sources() -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found)?;
    let files: Vec<_> = found.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let files = read(&files);
    assert!(files.iter().any(|file| file.path == "lib.rs"), "src/lib.rs was not read");
    Ok(files)
}

fn read(files: &[(&str, &str)]) -> Vec<Source> {
    let (sources, tests): (Vec<_>, Vec<_>) =
        files.iter().map(|(path, text)| Source::new(path, text)).unzip();
    let tests: Vec<String> = tests.into_iter().flatten().collect();
    let for_tests = |path: &str| {
        tests.iter().any(|test| {
            path.strip_prefix(test.as_str())
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    };
    sources.into_iter().filter(|source| !for_tests(&source.path)).collect()
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &path, found)?;
        } else if path.ends_with(".rs") || path.ends_with(".md") {
            found.push((path, fs::read_to_string(entry.path())?));
        }
    }
    found.sort();
    Ok(())
}

struct Token {
    line: usize,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A name, keyword or number.
    Word(String),
    /// The inside of a string.
    Text(String),
    /// `::`
    PathSep,
    Mark(char),
}

impl Token {
    fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own == word)
    }
}

/// The tokens without items under `#[cfg(test)]`, and the names of the modules in other files
/// among those.
fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, Vec<String>) {
    let mut dropped = BTreeSet::new();
    let mut modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !is_test_attribute(&tokens, at) {
            at += 1;
            continue;
        }
        let mut item = matching(&tokens, at + 1) + 1;
        while tokens.get(item).is_some_and(|token| token.is('#')) {
            item = matching(&tokens, item + 1) + 1;
        }
        let end = end_of_item(&tokens, item);
        let words: Vec<&Token> = tokens.get(item..=end).unwrap_or_default().iter().collect();
        if let [.., keyword, Token { kind: Kind::Word(name), .. }, semicolon] = words.as_slice()
            && keyword.is_word("mod")
            && semicolon.is(';')
        {
            modules.push(name.clone());
        }
        dropped.extend(at..=end);
        at = end + 1;
    }
    let kept = tokens.into_iter().enumerate().filter(|(at, _)| !dropped.contains(at));
    (kept.map(|(_, token)| token).collect(), modules)
}

/// `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn is_test_attribute(tokens: &[Token], at: usize) -> bool {
    let word = |offset: usize, word: &str| tokens.get(at + offset).is_some_and(|t| t.is_word(word));
    tokens.get(at).is_some_and(|token| token.is('#'))
        && tokens.get(at + 1).is_some_and(|token| token.is('['))
        && word(2, "cfg")
        && (word(4, "test") || word(4, "all") && word(6, "test"))
}

/// Where the item that starts at `from` ends: at its `;`, or with its block.
fn end_of_item(tokens: &[Token], from: usize) -> usize {
    let mut at = from;
    while let Some(token) = tokens.get(at) {
        if token.is(';') {
            return at;
        }
        if token.is('{') {
            return matching(tokens, at);
        }
        at = if token.is('(') || token.is('[') { matching(tokens, at) + 1 } else { at + 1 };
    }
    tokens.len().saturating_sub(1)
}

/// The bracket that closes the one at `open`; the last token if none does.
fn matching(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') if depth <= 1 => return at,
            Kind::Mark(')' | ']' | '}') => depth -= 1,
            _ if depth == 0 => return at,
            _ => {}
        }
    }
    tokens.len().saturating_sub(1)
}

/// Splits Rust text; comments and character literals are gone.
fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0, line: 1 };
    let mut found = Vec::new();
    while let Some(char) = reader.peek(0) {
        let line = reader.line;
        if let Some(kind) = reader.token(char) {
            found.push(Token { line, kind });
        }
    }
    found
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let char = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(char == '\n');
        Some(char)
    }

    fn token(&mut self, char: char) -> Option<Kind> {
        match (char, self.peek(1)) {
            ('/', Some('/')) => {
                while self.peek(0).is_some_and(|char| char != '\n') {
                    self.bump();
                }
                None
            }
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => Some(self.string(false, 0)),
            ('\'', _) => self.quote(),
            (':', Some(':')) => {
                self.at += 2;
                Some(Kind::PathSep)
            }
            _ if char == '_' || char.is_alphanumeric() => Some(self.word()),
            _ if char.is_whitespace() => {
                self.bump();
                None
            }
            _ => {
                self.bump();
                Some(Kind::Mark(char))
            }
        }
    }

    fn block_comment(&mut self) -> Option<Kind> {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0)?, self.peek(1)) {
                ('/', Some('*')) => {
                    depth += 1;
                    self.at += 2;
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return None;
                    }
                }
                _ => {
                    self.bump();
                }
            }
        }
    }

    /// A name, or the string that a prefix such as `br##` begins.
    fn word(&mut self) -> Kind {
        let mut word = String::new();
        while let Some(char) = self.peek(0).filter(|c| *c == '_' || c.is_alphanumeric()) {
            word.push(char);
            self.at += 1;
        }
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        let mut hashes = 0;
        while raw && self.peek(hashes) == Some('#') {
            hashes += 1;
        }
        let quoted = self.peek(hashes) == Some('"');
        if quoted && (raw || matches!(word.as_str(), "b" | "c")) {
            self.at += hashes;
            return self.string(raw, hashes);
        }
        Kind::Word(word)
    }

    fn string(&mut self, raw: bool, hashes: usize) -> Kind {
        let mut inside = String::new();
        self.bump();
        while let Some(char) = self.bump() {
            if char == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.at += hashes;
                break;
            }
            inside.push(char);
            if char == '\\' && !raw {
                inside.extend(self.bump());
            }
        }
        Kind::Text(inside)
    }

    /// A character, which is passed over, or a lifetime, which is as good as its name.
    fn quote(&mut self) -> Option<Kind> {
        self.bump();
        if self.peek(0) == Some('\\') {
            self.at += 2;
            while self.bump().is_some_and(|char| char != '\'') {}
        } else if self.peek(1) == Some('\'') {
            self.bump();
            self.bump();
        }
        None
    }
}

// ---- the rules find what they are for --------------------------------------------------------

const LIB: (&str, &str) = (
    "lib.rs",
    "mod id; mod codec; pub mod store; mod session; mod plan; mod guard; mod extract; mod testkit;
     pub use crate::id::Id; pub use crate::session::{Session as Handle, Active};
     pub use self::guard::Guard; pub mod prelude { pub use crate::session::Active; }
     pub use crate::guard::Require;",
);

#[test]
fn arrows_are_judged_by_their_rooms() {
    let cases = [
        ("foundation sees itself", "id.rs", "use crate::clock::Clock;", true),
        ("foundation sees no contract", "id.rs", "use crate::store::Store;", false),
        ("a doc link is no import", "id.rs", "/// [`Store`](crate::store::Store)\nuse a;", true),
        ("a string is no import", "id.rs", r##"const A: &str = r#"crate::plan "# ;"##, true),
        ("a re-export hides nothing", "id.rs", "fn f(_: crate::Handle) {}", false),
        ("a renamed re-export is known", "session/a.rs", "use crate::Handle;", true),
        ("a contract sees the foundation", "store/mod.rs", "use crate::{id::Id, Id as I};", true),
        (
            "a contract sees itself",
            "store/memory.rs",
            "use super::Answer; use crate::store::A;",
            true,
        ),
        ("a contract sees no other", "store/memory.rs", "use crate::codec::Signed;", false),
        ("a contract sees no core", "store/a/b.rs", "use super::super::super::plan::Plan;", false),
        ("a group is taken apart", "codec/mod.rs", "use crate::{id::{self, Id}, plan::P};", false),
        ("core sees contracts", "plan.rs", "use crate::{store, session::{Active, edits}};", true),
        ("core sees no adapter", "plan.rs", "fn f() { crate::guard::Guard::new() }", false),
        (
            "an adapter sees what is public",
            "guard/mod.rs",
            "use crate::Active; use crate::store::A;",
            true,
        ),
        ("by its full path as well", "guard/mod.rs", "use crate::session::Active;", true),
        ("but nothing private", "guard/mod.rs", "use crate::plan::Plan;", false),
        ("unless it is lent", "guard/mod.rs", "use crate::refusal::Refusal;", true),
        ("adapters stand alone", "guard/mod.rs", "use crate::extract::A;", false),
        ("but for guards", "extract.rs", "use crate::guard::Guard;", true),
        ("the kit sees public adapters", "testkit/mod.rs", "use crate::Require;", true),
        ("the kit sees nothing private", "testkit/mod.rs", "use crate::plan::Plan;", false),
        ("globs say nothing", "plan.rs", "use crate::*;", false),
        ("lib.rs is nobody's room", "id.rs", "use crate::prelude::A;", true),
        ("every module has a room", "attic.rs", "", false),
        ("also one that is imported", "plan.rs", "use crate::attic::A;", false),
        ("tests see all", "id.rs", "#[cfg(test)] mod tests { use crate::plan::P; }", true),
        (
            "what follows tests does not",
            "id.rs",
            "#[cfg(test)] use a::{b}; use crate::plan::P;",
            false,
        ),
        ("visibility is no import", "id.rs", "pub(crate) fn f<'a>(c: char) { c == '\"' }", true),
    ];
    for (name, path, text, right) in cases {
        let found = wrong_arrows(&read(&[LIB, (path, text)]));
        assert_eq!(found.is_empty(), right, "{name}: {found:?}");
    }
}

#[test]
fn files_for_tests_only_are_left_out() {
    let files = [
        ("plan/mod.rs", "#[cfg(test)]\nmod tests;\n#[cfg(test)] mod cases;\nmod kept;"),
        ("plan/tests.rs", "use crate::guard::Guard;"),
        ("plan/cases/a.rs", "use crate::guard::Guard;"),
        ("plan/kept.rs", ""),
    ];
    let paths: Vec<_> = read(&files).into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["plan/mod.rs", "plan/kept.rs"]);
}

#[test]
fn an_ignored_example_is_found_in_code_and_markdown() {
    let cases = [
        ("a.rs", "/// ```ignore", true),
        ("a.rs", "    //! ```rust,ignore", true),
        ("a.rs", "/// ````{.rust .ignore-wasm32}\n/// ~~~ignore-x86", true),
        ("a.rs", "/// ```no_run", false),
        ("a.rs", "/// Do not `ignore` this.", false),
        ("a.rs", "let a = \"```ignore\";", false),
        ("guide/a.md", "```ignore", true),
        ("guide/a.md", "```rust", false),
    ];
    for (path, text, bad) in cases {
        assert_eq!(!ignored_examples(&read(&[(path, text)])).is_empty(), bad, "{text}");
    }
}

#[test]
fn a_secret_is_found_in_a_log_line() {
    let cases = [
        ("tracing::debug!(token = %t, \"opened\");", true),
        ("log::warn!(reason, %cookie);", true),
        ("log::refused(reason, session.key);", true),
        ("info!(\"opened {ticket:?}\");", true),
        ("debug_span!(\"load\", csrf_token);", true),
        ("warn!(target: \"a\", \"data\" = 1);", true),
        ("#[tracing::instrument] fn load() {}", true),
        ("#[instrument(level = \"debug\", skip_all)] fn load() {}", false),
        ("log::warn!(cookie_name = %name, \"two tickets in one cookie header\");", false),
        ("let key = event(token); format!(\"{key}\");", false),
        ("work.instrument(span)", false),
    ];
    for (text, bad) in cases {
        let found = secret_fields(&read(&[("plan.rs", text)]));
        assert_eq!(!found.is_empty(), bad, "{text}: {found:?}");
    }
}

#[test]
fn a_long_call_is_found() {
    let service = |lines: usize| {
        format!(
            "impl<S, B> Service<Request<B>> for Sessions<S>\nwhere S: Service<B> {{\n\
             fn poll_ready(&mut self) {{ }}\nfn call(&mut self, r: R) -> F {{\n{}}}\n}}\n\
             impl Other {{ fn call() {{\n{} }} }}",
            "a();\n".repeat(lines),
            "b();\n".repeat(99),
        )
    };
    assert_eq!(calls(&tokens(&service(25))), [(4, 25)]);
    assert!(long_calls(&read(&[("service.rs", &service(25))])).is_empty());
    assert!(!long_calls(&read(&[("service.rs", &service(26))])).is_empty());
}
