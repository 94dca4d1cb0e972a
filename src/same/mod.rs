//! Whether a session's data changed: do two values serialise alike?
//!
//! The first value is written as a string of tokens into a buffer on the stack (the heap serves
//! only what is longer than [`INLINE`] bytes); the second is compared with it token by token and
//! stops at the first difference. Nothing is hashed, so a change cannot be missed. A value that
//! serialises alike in another order (a `HashMap` filled anew) counts as changed, which costs a
//! write and loses nothing.

mod tokens;

use std::{fmt, mem};

use serde::ser::Serialize;

use self::tokens::Tokens;

/// Whether both values serialise alike. A value that does not serialise is like no other.
pub(crate) fn same<T: Serialize>(before: &T, after: &T) -> bool {
    let mut inline = [0; INLINE];
    let mut recorded = Inline { free: &mut inline };
    if before.serialize(&mut Tokens(&mut recorded)).is_ok() {
        let written = INLINE - recorded.free.len();
        return inline.get(..written).is_some_and(|tokens| writes(after, tokens));
    }
    // It is too large for the stack, or does not serialise at all.
    let mut spilled = Vec::with_capacity(4 * INLINE);
    before.serialize(&mut Tokens(&mut spilled)).is_ok() && writes(after, &spilled)
}

/// Whether the value serialises as these tokens.
fn writes<T: Serialize>(value: &T, tokens: &[u8]) -> bool {
    let mut expected = Expected { rest: tokens };
    value.serialize(&mut Tokens(&mut expected)).is_ok() && expected.rest.is_empty()
}

/// Where tokens go.
trait Sink {
    /// A piece whose length is known when compiling: a tag, with or without a number.
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), Stopped>;
    /// A piece of any length.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stopped>;
}

/// Takes the tokens of a first value that is small, and stops when it is not.
struct Inline<'b> {
    free: &'b mut [u8],
}

impl Sink for Inline<'_> {
    #[inline]
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), Stopped> {
        let (head, free) = mem::take(&mut self.free).split_first_chunk_mut().ok_or(Stopped)?;
        *head = bytes;
        self.free = free;
        Ok(())
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        let free = mem::take(&mut self.free);
        let (head, free) = free.split_at_mut_checked(bytes.len()).ok_or(Stopped)?;
        head.copy_from_slice(bytes);
        self.free = free;
        Ok(())
    }
}

/// Takes the tokens of any first value.
impl Sink for Vec<u8> {
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), Stopped> {
        self.bytes(&bytes)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// What the second value has yet to write to be the same.
struct Expected<'r> {
    rest: &'r [u8],
}

impl Sink for Expected<'_> {
    #[inline]
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), Stopped> {
        // Once they differ nothing is left to match, even if `Serialize` swallows the error.
        match mem::take(&mut self.rest).split_first_chunk() {
            Some((head, rest)) if *head == bytes => self.rest = rest,
            _ => return Err(Stopped),
        }
        Ok(())
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        self.rest = mem::take(&mut self.rest).strip_prefix(bytes).ok_or(Stopped)?;
        Ok(())
    }
}

/// The values differ, one does not serialise, or the first does not fit the stack.
#[derive(Debug)]
struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the same")
    }
}

impl std::error::Error for Stopped {}

impl serde::ser::Error for Stopped {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Sessions are small; this holds the tokens of most without the heap.
const INLINE: usize = 512;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{
        Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };
    use serde::ser::{SerializeSeq, Serializer};
    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Debug, serde::Serialize)]
    struct Member {
        user_id: u64,
        name: String,
        roles: Vec<String>,
        #[serde(skip)]
        scratch: u8,
    }

    #[derive(serde::Serialize)]
    enum Shape {
        Unit,
        New(u8),
        Tuple(u8, u8),
        Struct { a: u8 },
        Struct2 { a: u8 },
    }

    #[derive(serde::Serialize)]
    #[serde(untagged)]
    enum Any {
        Small(u8),
        Large(u64),
        Float(f64),
        Char(char),
        Text(String),
        Bytes(Bytes),
        None(Option<()>),
        Unit(()),
        Seq(Vec<Self>),
        Map(BTreeMap<String, u8>),
        Skips(Skips),
        Address(std::net::IpAddr),
    }

    struct Bytes(&'static [u8]);

    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }

    #[derive(serde::Serialize)]
    struct Skips {
        #[serde(skip_serializing_if = "Option::is_none")]
        a: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        b: Option<u8>,
    }

    struct Broken;

    impl Serialize for Broken {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("broken"))
        }
    }

    fn member() -> Member {
        let roles = vec!["admin".to_owned(), "author".to_owned()];
        Member { user_id: 42, name: "Ada".to_owned(), roles, scratch: 0 }
    }

    #[test]
    fn an_equal_value_is_the_same_and_one_changed_field_is_not() {
        type Change = fn(&mut Member);
        let cases: [(&str, bool, Change); 8] = [
            ("nothing", true, |_| ()),
            ("what is not serialised", true, |m| m.scratch = 1),
            ("the number", false, |m| m.user_id += 1),
            ("the text", false, |m| m.name.push('!')),
            ("the text, same length", false, |m| m.name = "Eda".to_owned()),
            ("one more", false, |m| m.roles.push(String::new())),
            ("one less", false, |m| m.roles.truncate(1)),
            ("the order", false, |m| m.roles.reverse()),
        ];
        for (name, want, change) in cases {
            let mut after = member();
            change(&mut after);
            assert_eq!(same(&member(), &after), want, "{name}");
            assert_eq!(same(&after, &member()), want, "{name}, the other way");
        }
    }

    #[test]
    fn no_two_different_values_are_the_same() {
        let text = |text: &str| Any::Text(text.to_owned());
        let skips = |a, b| Any::Skips(Skips { a, b });
        let values = [
            Any::Small(1),
            Any::Small(0),
            Any::Large(1),
            Any::Float(0.0),
            Any::Float(-0.0),
            Any::Float(f64::NAN),
            Any::Char('a'),
            text("a"),
            text(""),
            text("ab"),
            Any::Bytes(Bytes(b"a")),
            Any::None(None),
            Any::None(Some(())),
            Any::Unit(()),
            Any::Seq(vec![]),
            Any::Seq(vec![text("ab")]),
            Any::Seq(vec![text("a"), text("b")]),
            Any::Seq(vec![Any::Seq(vec![]), text("a")]),
            Any::Seq(vec![Any::Seq(vec![text("a")])]),
            Any::Map(BTreeMap::new()),
            Any::Map([("a".to_owned(), 1)].into()),
            Any::Map([("b".to_owned(), 1)].into()),
            skips(None, None),
            skips(Some(1), None),
            skips(None, Some(1)),
            Any::Address([127, 0, 0, 1].into()),
            Any::Address([127, 0, 0, 2].into()),
        ];
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                assert_eq!(same(a, b), i == j, "values {i} and {j}");
            }
        }
    }

    #[test]
    fn variants_differ_even_when_they_hold_the_same() {
        let shapes = [
            Shape::Unit,
            Shape::New(1),
            Shape::Tuple(1, 1),
            Shape::Tuple(1, 2),
            Shape::Struct { a: 1 },
            Shape::Struct2 { a: 1 },
        ];
        for (i, a) in shapes.iter().enumerate() {
            for (j, b) in shapes.iter().enumerate() {
                assert_eq!(same(a, b), i == j, "shapes {i} and {j}");
            }
        }
    }

    #[test]
    fn an_error_that_serialize_swallows_is_no_agreement() {
        struct Careless(&'static [&'static str]);
        impl Serialize for Careless {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut seq = serializer.serialize_seq(None)?;
                for part in self.0 {
                    drop(seq.serialize_element(part));
                }
                seq.end()
            }
        }
        let long: &str = "x".repeat(INLINE).leak();
        let large: &[&str] = vec![long, "a", "b"].leak();
        let [short, more]: [&[&str]; 2] = [&["a", "b"], &["z", "a", "b"]];
        for (before, after) in [(short, more), (more, short), (large, short), (short, large)] {
            assert!(!same(&Careless(before), &Careless(after)), "{before:.1?} {after:.1?}");
            assert!(same(&Careless(before), &Careless(before)));
        }
    }

    #[test]
    fn what_does_not_serialise_is_like_nothing() {
        assert!(!same(&Broken, &Broken));
        assert!(!same(&vec![Some(Broken)], &vec![Some(Broken)]));
    }

    #[test]
    fn values_beyond_the_stack_are_compared_to_the_end() {
        for len in (0..1200).chain([100_000]) {
            let before = ("x".repeat(len), vec![7_u8; len / 2], 1_u64);
            let mut after = before.clone();
            assert!(same(&before, &after), "{len}");
            after.2 = 2;
            assert!(!same(&before, &after), "{len}, the end");
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<Option<bool>>().prop_map(|value| json!(value)),
            any::<i64>().prop_map(|value| json!(value)),
            any::<f64>().prop_map(|value| json!(value)),
            "[a-c]{0,3}".prop_map(|value| json!(value)),
        ];
        leaf.prop_recursive(4, 48, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-c]{0,2}", inner, 0..5).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_the_same_when_it_is_written_alike(a in json_value(), b in json_value()) {
            prop_assert!(same(&a, &a.clone()));
            let alike = serde_json::to_vec(&a).unwrap() == serde_json::to_vec(&b).unwrap();
            prop_assert_eq!(same(&a, &b), alike);
        }

        #[test]
        fn one_changed_byte_is_found(text in prop::collection::vec(any::<u8>(), 1..900), at in any::<usize>()) {
            let mut after = text.clone();
            let at = at % after.len();
            after[at] ^= 1;
            prop_assert!(same(&text, &text.clone()));
            prop_assert!(!same(&text, &after));
        }
    }
}
