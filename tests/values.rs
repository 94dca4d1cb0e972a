//! Session data as keys and values.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail as tests do")]

use std::collections::BTreeMap;

use proptest::prelude::{any, prop_assert_eq, proptest};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sessile::{SessionData, Values};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Basket {
    items: Vec<u32>,
    voucher: Option<String>,
}

fn values() -> Values {
    let mut values = Values::new();
    values.insert("visits", 3).unwrap();
    values.insert("name", "Ada").unwrap();
    values.insert("nothing", None::<u8>).unwrap();
    values
}

#[test]
fn values_are_session_data() {
    fn data<T: SessionData>() {}
    data::<Values>();
}

#[test]
fn what_was_inserted_is_read_back() {
    let mut values = values();
    let basket = Basket { items: vec![1, 2], voucher: None };
    values.insert("basket", &basket).unwrap();
    assert_eq!(values.get("basket"), Ok(Some(basket)));
    assert_eq!(values.get("visits"), Ok(Some(3_u64)));
    assert_eq!(values.get("visits"), Ok(Some(3_i8)));
    assert_eq!(values.get("name"), Ok(Some("Ada".to_owned())));
    assert_eq!(values.get("nothing"), Ok(Some(None::<u8>)));
}

#[test]
fn absent_and_undecodable_are_never_confused() {
    assert_eq!(values().get::<String>("nobody"), Ok(None));
    let cases = [
        ("a number as text", values().get::<String>("visits").map(|_| ())),
        ("text as a number", values().get::<u32>("name").map(|_| ())),
        ("null as a number", values().get::<u32>("nothing").map(|_| ())),
        ("text as a struct", values().get::<Basket>("name").map(|_| ())),
    ];
    for (name, outcome) in cases {
        assert!(outcome.is_err(), "{name}");
    }
    let mut large = values();
    large.insert("visits", 300).unwrap();
    assert!(large.get::<u8>("visits").is_err(), "a number that does not fit");
}

#[test]
fn insert_and_remove_give_back_what_was_there() {
    let mut values = values();
    assert_eq!(values.insert("visits", 4), Ok(Some(json!(3))));
    assert_eq!(values.insert("views", 1), Ok(None));
    assert_eq!(values.remove("views"), Some(json!(1)));
    assert_eq!(values.remove("views"), None);
    assert_eq!(values.get("visits"), Ok(Some(4)));
}

#[test]
fn a_value_that_does_not_encode_changes_nothing() {
    let mut values = values();
    let no_json = BTreeMap::from([(vec![1], 2)]);
    let error = values.insert("visits", no_json).unwrap_err();
    assert_eq!(error.key(), "visits");
    assert!(error.to_string().contains("`visits` does not encode as JSON"), "{error}");
    assert_eq!(values.get("visits"), Ok(Some(3)));
}

#[test]
fn the_map_can_be_looked_over_and_emptied() {
    let mut values = values();
    assert_eq!(values.keys().collect::<Vec<_>>(), ["name", "nothing", "visits"]);
    let ada = json!("Ada");
    assert_eq!(values.iter().next(), Some(("name", &ada)));
    assert!(values.contains_key("nothing") && !values.contains_key("nobody"));
    assert_eq!((values.len(), values.is_empty()), (3, false));
    values.clear();
    assert_eq!((values.len(), values.is_empty()), (0, true));
    assert_eq!(values, Values::default());
}

#[test]
fn they_serialise_as_a_plain_json_object() {
    let text = serde_json::to_string(&values()).unwrap();
    assert_eq!(text, r#"{"name":"Ada","nothing":null,"visits":3}"#);
    assert_eq!(serde_json::from_str::<Values>(&text).unwrap(), values());
    for wrong in ["[]", "null", "3", r#""text""#, "{"] {
        assert!(serde_json::from_str::<Values>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn r52_neither_debug_nor_errors_show_a_value() {
    let mut values = values();
    values.insert("pin", "hunter2").unwrap();
    let error = values.get::<u32>("pin").unwrap_err();
    let shown = format!("{values:?} {values:#?} {error:?} {error}");
    for secret in ["hunter2", "Ada", "3,"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(
        shown.contains("len: 4") && shown.contains("`pin`") && shown.contains("`u32`"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn whatever_goes_in_comes_out(map in any::<BTreeMap<String, (i64, String, bool)>>()) {
        let mut values = Values::new();
        for (key, value) in &map {
            prop_assert_eq!(values.insert(key.as_str(), value), Ok(None));
        }
        let read: Values = serde_json::from_str(&serde_json::to_string(&values).unwrap()).unwrap();
        for (key, value) in &map {
            prop_assert_eq!(read.get(key), Ok(Some(value.clone())));
        }
        prop_assert_eq!(read.len(), map.len());
    }
}
