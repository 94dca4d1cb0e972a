//! Whether all numbers are such as JSON has.
//!
//! `serde_json` writes the others as `null`, and no format of its can tell that from a `None`.

use std::fmt::{self, Display};

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// An error if there is a NaN or an infinity in it.
pub(super) fn check<T: Serialize>(data: &T) -> Result<(), NotFinite> {
    data.serialize(Numbers)
}

/// A number that is none.
#[derive(Debug)]
pub(super) struct NotFinite;

impl Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a NaN or an infinity, which JSON has not")
    }
}

impl std::error::Error for NotFinite {}

impl Error for NotFinite {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

/// Looks at numbers and writes nothing.
struct Numbers;

type Checked = Result<(), NotFinite>;

macro_rules! pass {
    ($($method:ident($type:ty))*) => {
        $(fn $method(self, _: $type) -> Checked {
            Ok(())
        })*
    };
}

macro_rules! go_into {
    ($($method:ident($($type:ty),*) -> $parts:ident)*) => {
        type Ok = ();
        type Error = NotFinite;
        $(type $parts = Self;
        fn $method(self, $(_: $type),*) -> Result<Self, NotFinite> {
            Ok(self)
        })*
    };
}

macro_rules! parts {
    ($($trait:ident $method:ident($($name:ty)?))*) => {
        $(impl $trait for Numbers {
            type Ok = ();
            type Error = NotFinite;

            fn $method<T: ?Sized + Serialize>(&mut self, $(_: $name,)? part: &T) -> Checked {
                part.serialize(Self)
            }

            fn end(self) -> Checked {
                Ok(())
            }
        })*
    };
}

impl Serializer for Numbers {
    go_into! {
        serialize_seq(Option<usize>) -> SerializeSeq
        serialize_tuple(usize) -> SerializeTuple
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant
        serialize_map(Option<usize>) -> SerializeMap
        serialize_struct(&'static str, usize) -> SerializeStruct
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant
    }

    pass! {
        serialize_bool(bool)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128)
        serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_unit_struct(&'static str)
    }

    fn serialize_f32(self, number: f32) -> Checked {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Checked {
        if number.is_finite() { Ok(()) } else { Err(NotFinite) }
    }

    fn serialize_none(self) -> Checked {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Checked {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Checked {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Checked {
        Ok(())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Checked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Checked {
        value.serialize(self)
    }

    fn collect_str<T: ?Sized + Display>(self, _: &T) -> Checked {
        Ok(())
    }
}

parts! {
    SerializeSeq serialize_element()
    SerializeTuple serialize_element()
    SerializeTupleStruct serialize_field()
    SerializeTupleVariant serialize_field()
    SerializeStruct serialize_field(&'static str)
    SerializeStructVariant serialize_field(&'static str)
}

/// Keys are texts; `serde_json` refuses numbers among them that are none.
impl SerializeMap for Numbers {
    type Ok = ();
    type Error = NotFinite;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, _: &T) -> Checked {
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Checked {
        value.serialize(Self)
    }

    fn end(self) -> Checked {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    enum Shape {
        Unit,
        Newtype(f64),
        Tuple(f32, f64),
        Struct { one: Option<f64>, other: () },
    }

    #[derive(Serialize)]
    struct Wrapped(f64);

    #[derive(Serialize)]
    struct Pair(f64, f32);

    #[test]
    fn a_number_is_found_wherever_it_is() {
        let everywhere = |number: f64| {
            let narrow = if number.is_finite() { 1.0_f32 } else { f32::NAN };
            [
                check(&number),
                check(&narrow),
                check(&Some(number)),
                check(&vec![1.0, number]),
                check(&("text", 'c', 1_u8, number)),
                check(&BTreeMap::from([("key", number)])),
                check(&Wrapped(number)),
                check(&Pair(1.0, narrow)),
                check(&Shape::Newtype(number)),
                check(&Shape::Tuple(narrow, 1.0)),
                check(&Shape::Struct { one: Some(number), other: () }),
            ]
        };
        assert!(everywhere(1.5).iter().all(Result::is_ok));
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(everywhere(odd).iter().all(Result::is_err), "{odd}");
        }
        assert!(check(&(Shape::Unit, None::<f64>, u128::MAX, b"bytes")).is_ok());
    }
}
