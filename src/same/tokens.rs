//! Any value as a string of tokens.
//!
//! Tokens are tagged and lengths written, so that no two different values share a string:
//! `["ab"]` and `["a", "b"]`, `None` and `()`, `1u8` and `1u64`, a field left out and another
//! left out in its stead.

use std::fmt;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{Sink, Stopped};

/// A tag and a number in one piece.
macro_rules! tagged {
    ($tag:expr, $value:expr, $type:ty) => {{
        let mut piece = [$tag; 1 + size_of::<$type>()];
        piece[1..].copy_from_slice(&$value.to_ne_bytes());
        piece
    }};
}

macro_rules! numbers {
    ($($method:ident($type:ty) = $tag:ident;)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), Stopped> {
            self.0.fixed(tagged!($tag, value, $type))
        }
    )*};
}

/// Writes a value as tokens.
pub(super) struct Tokens<'s, S>(pub(super) &'s mut S);

impl<S: Sink> Tokens<'_, S> {
    #[inline]
    fn tag(&mut self, tag: u8) -> Result<(), Stopped> {
        self.0.fixed([tag])
    }

    /// A tag and bytes of a length that is not known when compiling.
    #[inline]
    fn text(&mut self, tag: u8, bytes: &[u8]) -> Result<(), Stopped> {
        self.0.fixed(tagged!(tag, bytes.len(), usize))?;
        self.0.bytes(bytes)
    }

    /// The name of a field or variant. It is a constant where this is inlined, so it is written
    /// in a move or two; a tag, which no text goes on with, follows and ends it.
    #[inline]
    fn name(&mut self, name: &'static str) -> Result<(), Stopped> {
        self.0.bytes(name.as_bytes())
    }

    #[inline]
    fn variant(&mut self, index: u32, name: &'static str) -> Result<(), Stopped> {
        self.0.fixed(tagged!(VARIANT, index, u32))?;
        self.name(name)
    }
}

impl<S: Sink> Serializer for &mut Tokens<'_, S> {
    type Ok = ();
    type Error = Stopped;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    numbers! {
        serialize_i8(i8) = I8;
        serialize_i16(i16) = I16;
        serialize_i32(i32) = I32;
        serialize_i64(i64) = I64;
        serialize_i128(i128) = I128;
        serialize_u8(u8) = U8;
        serialize_u16(u16) = U16;
        serialize_u32(u32) = U32;
        serialize_u64(u64) = U64;
        serialize_u128(u128) = U128;
        serialize_f32(f32) = F32;
        serialize_f64(f64) = F64;
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Stopped> {
        self.tag(if value { TRUE } else { FALSE })
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<(), Stopped> {
        self.0.fixed(tagged!(CHAR, u32::from(value), u32))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Stopped> {
        self.text(STR, value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Stopped> {
        self.text(BYTES, value)
    }

    /// Without the `String` that the provided method makes. How the pieces are cut does not
    /// matter; a tag, which no text goes on with, ends them.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Stopped> {
        self.tag(DISPLAYED)?;
        fmt::Write::write_fmt(self, format_args!("{value}")).map_err(|_| Stopped)?;
        self.tag(END)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Stopped> {
        self.tag(NONE)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Stopped> {
        self.tag(SOME)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Stopped> {
        self.tag(UNIT)
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Stopped> {
        self.tag(UNIT)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
    ) -> Result<(), Stopped> {
        self.variant(index, name)?;
        self.tag(UNIT)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Stopped> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Stopped> {
        self.variant(index, name)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Stopped> {
        self.tag(SEQ).map(|()| self)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, Stopped> {
        self.tag(SEQ).map(|()| self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Stopped> {
        self.tag(SEQ).map(|()| self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, Stopped> {
        self.variant(index, name)?;
        self.tag(SEQ).map(|()| self)
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Stopped> {
        self.tag(MAP).map(|()| self)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Stopped> {
        self.tag(STRUCT).map(|()| self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, Stopped> {
        self.variant(index, name)?;
        self.tag(STRUCT).map(|()| self)
    }
}

impl<S: Sink> fmt::Write for Tokens<'_, S> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.bytes(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// The compound kinds differ in what a part is called and in nothing else.
macro_rules! compound {
    ($($kind:ident: $($method:ident)+;)*) => {$(
        impl<S: Sink> $kind for &mut Tokens<'_, S> {
            type Ok = ();
            type Error = Stopped;

            $(#[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Stopped> {
                part.serialize(&mut **self)
            })+

            #[inline]
            fn end(self) -> Result<(), Stopped> {
                self.tag(END)
            }
        }
    )*};
}

macro_rules! fields {
    ($($kind:ident)*) => {$(
        impl<S: Sink> $kind for &mut Tokens<'_, S> {
            type Ok = ();
            type Error = Stopped;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Stopped> {
                self.name(name)?;
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<(), Stopped> {
                self.tag(END)
            }
        }
    )*};
}

compound! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
    SerializeMap: serialize_key serialize_value;
}

fields! { SerializeStruct SerializeStructVariant }

// The tags are continuation bytes of UTF-8: none can follow a whole text, so each ends the text
// before it, and none can begin one.
const I8: u8 = 0x80;
const I16: u8 = 0x81;
const I32: u8 = 0x82;
const I64: u8 = 0x83;
const I128: u8 = 0x84;
const U8: u8 = 0x85;
const U16: u8 = 0x86;
const U32: u8 = 0x87;
const U64: u8 = 0x88;
const U128: u8 = 0x89;
const F32: u8 = 0x8a;
const F64: u8 = 0x8b;
const FALSE: u8 = 0x8c;
const TRUE: u8 = 0x8d;
const CHAR: u8 = 0x8e;
const STR: u8 = 0x8f;
const BYTES: u8 = 0x90;
const DISPLAYED: u8 = 0x91;
const NONE: u8 = 0x92;
const SOME: u8 = 0x93;
const UNIT: u8 = 0x94;
const VARIANT: u8 = 0x95;
const SEQ: u8 = 0x96;
const MAP: u8 = 0x97;
const STRUCT: u8 = 0x98;
const END: u8 = 0x99;
