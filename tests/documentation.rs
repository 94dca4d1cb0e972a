//! Every public item is shown at work: an example of its own, or another one in its file, uses it.
//!
//! That it has documentation at all is the compiler's to check (`missing_docs`), and that examples
//! compile and hold is `cargo test --doc`. The sources are read line by line, so this trusts in
//! `rustfmt`; what a reader does not see of an example (lines hidden with `#`) shows nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

#[test]
fn every_public_item_is_shown_at_work() -> io::Result<()> {
    let mut findings = Vec::new();
    let count = walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut findings)?;
    assert!(count > 200, "only {count} public items were found: is the reader broken?");
    assert!(findings.is_empty(), "\n\n{}\n", findings.join("\n"));
    Ok(())
}

/// How many public items the files below this folder have; notes those that no example uses.
fn walk(folder: &Path, findings: &mut Vec<String>) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            count += walk(&path, findings)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let items = items(&fs::read_to_string(&path)?);
            count += items.len();
            let unshown = items.into_iter().filter(|item| !item.shown);
            findings.extend(unshown.map(|Item { line, name, .. }| {
                format!("{}:{line}: no example uses `{name}`", path.display())
            }));
        }
    }
    Ok(count)
}

#[derive(Debug)]
struct Item {
    line: usize,
    name: String,
    shown: bool,
}

/// The documented public items of a file. One that is not documented is the compiler's affair.
fn items(text: &str) -> Vec<Item> {
    let shown = words_of_examples(text);
    let mut items = Vec::new();
    let (mut documented, mut has_example) = (false, false);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        if let Some(doc) = line.strip_prefix("///") {
            documented = true;
            has_example |= doc.trim_start().starts_with("```");
        } else if let Some(name) = public_name(line).filter(|_| documented) {
            let shown = has_example || shown.contains(name);
            items.push(Item { line: number, name: name.to_owned(), shown });
            (documented, has_example) = (false, false);
        } else if line.is_empty() {
            (documented, has_example) = (false, false);
        }
    }
    items
}

/// The name of the public item that begins on this line; fields and variants are none.
fn public_name(line: &str) -> Option<&str> {
    let mut words = words(line.strip_prefix("pub ")?);
    match words.next()? {
        "fn" | "struct" | "enum" | "trait" | "type" => words.next(),
        "async" => words.nth(1),
        "const" => match words.next()? {
            "fn" => words.next(),
            name => Some(name),
        },
        _ => None,
    }
}

/// The words in those lines of a file's examples that a reader sees.
fn words_of_examples(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut inside = false;
    for line in text.lines().map(str::trim_start) {
        let Some(doc) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            inside = false;
            continue;
        };
        let doc = doc.trim_start();
        if doc.starts_with("```") {
            inside = !inside;
        } else if inside && doc != "#" && !doc.starts_with("# ") {
            found.extend(words(doc));
        }
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric() && char != '_').filter(|word| !word.is_empty())
}

#[test]
fn the_reader_tells_what_is_shown_from_what_is_not() {
    let cases = [
        (
            "an example of its own",
            "/// ```\n/// ```\n#[must_use]\npub fn shown() {}",
            "shown",
            true,
        ),
        ("none", "/// Does it.\npub async fn bare() {}", "bare", false),
        (
            "in the module's",
            "//! ```\n//! x.used();\n//! ```\n\n/// It.\npub fn used() {}",
            "used",
            true,
        ),
        (
            "hidden",
            "/// ```\n/// # bare();\n/// ```\nfn a() {}\n\n/// It.\npub const bare: u8 = 0;",
            "bare",
            false,
        ),
        (
            "as part of a word",
            "/// ```\n/// bare_one();\n/// ```\nfn a() {}\n\n/// It.\npub struct bare;",
            "bare",
            false,
        ),
        ("in the prose only", "/// `bare` does it.\npub const fn bare() {}", "bare", false),
        (
            "of another item",
            "/// ```\n/// ```\nfn a() {}\n\n/// It.\npub type Bare = u8;",
            "Bare",
            false,
        ),
    ];
    for (case, text, name, shown) in cases {
        let items = items(text);
        let found: Vec<_> = items.iter().map(|item| (item.name.as_str(), item.shown)).collect();
        assert_eq!(found, [(name, shown)], "{case}");
    }
    let private =
        "/// It.\npub(crate) fn a() {}\n\n/// It.\npub use b;\n\npub fn undocumented() {}";
    assert!(items(private).is_empty());
}
