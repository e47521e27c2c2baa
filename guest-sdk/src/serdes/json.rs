//! JSON text, and errors for numbers that JSON does not support.
//!
//! Invariants: a text is created only for values without NaN and infinities. `serde_json` writes those as `null`, which
//! is deserialized as something else (`None`) or not at all.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use crate::error::{BoxError, Framed};

/// The compact JSON text of a value.
///
/// # Errors
/// If serde cannot serialize the value, or if a number in it is not finite: the error then has the path of the number.
pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> Result<String, BoxError> {
    let rejected = RejectedNumber::default();
    let mut text = Vec::with_capacity(128);
    let result =
        value.serialize(Checked { inner: &mut serde_json::Serializer::new(&mut text), rejected: &rejected });
    match (result, rejected.number.get()) {
        (Ok(()), _) => Ok(String::from_utf8(text)?),
        (Err(_), Some(number)) => Err(NotFinite { path: rejected.path(), number }.into()),
        (Err(error), None) => Err(error.into()),
    }
}

/// The compact JSON text of a value, after checking that it can be deserialized.
///
/// # Errors
/// Also if the text cannot be deserialized.
pub(crate) fn readable<T: Serialize + DeserializeOwned>(value: &T) -> Result<String, BoxError> {
    let text = text(value)?;
    match serde_json::from_str::<T>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(unreadable(error)),
    }
}

/// The error of a text that its own serdes does not accept.
pub(super) fn unreadable(error: impl Into<BoxError>) -> BoxError {
    Framed::boxed("what was written cannot be read back", error)
}

/// A number that JSON does not support.
#[derive(Debug)]
struct NotFinite {
    path: String,
    number: f64,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, number } = self;
        match &**path {
            "" => write!(f, "the value is {number}, which JSON cannot hold"),
            path => write!(f, "{path} is {number}, which JSON cannot hold"),
        }
    }
}

impl Error for NotFinite {}

/// A number that was rejected, and its path. The path is filled only in that case.
#[derive(Default)]
struct RejectedNumber {
    number: Cell<Option<f64>>,
    /// The segments of the path, innermost first.
    segments: RefCell<Vec<String>>,
}

impl RejectedNumber {
    fn reject<E: ser::Error>(&self, number: f64) -> E {
        self.number.set(Some(number));
        E::custom("a number is not finite")
    }

    /// Adds a segment of the path, if a number was rejected.
    fn trace<T, E>(&self, result: Result<T, E>, segment: impl FnOnce() -> String) -> Result<T, E> {
        if result.is_err() && self.number.get().is_some() {
            self.segments.borrow_mut().push(segment());
        }
        result
    }

    fn path(&self) -> String {
        let segments = self.segments.borrow();
        let path: String = segments.iter().rev().map(String::as_str).collect();
        path.strip_prefix('.').map(str::to_owned).unwrap_or(path)
    }
}

/// A value whose parts are checked.
struct CheckedValue<'a, T: ?Sized>(&'a T, &'a RejectedNumber);

impl<T: Serialize + ?Sized> Serialize for CheckedValue<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Checked { inner: serializer, rejected: self.1 })
    }
}

/// A serializer that checks numbers and passes everything on to another one.
struct Checked<'a, S> {
    inner: S,
    rejected: &'a RejectedNumber,
}

/// A serializer of a compound value that passes its parts on to another one, and counts them.
struct CheckedCompound<'a, C> {
    inner: C,
    rejected: &'a RejectedNumber,
    count: usize,
    /// The name of the variant, as a segment of the path.
    variant: Option<&'static str>,
}

impl<'a, C> CheckedCompound<'a, C> {
    fn new<E>(
        inner: Result<C, E>,
        rejected: &'a RejectedNumber,
        variant: Option<&'static str>,
    ) -> Result<Self, E> {
        Ok(Self { inner: inner?, rejected, count: 0, variant })
    }

    fn indexed<E>(&mut self, result: Result<(), E>) -> Result<(), E> {
        let index = self.count;
        self.count += 1;
        let variant = self.variant;
        self.rejected.trace(result, || format!("{}[{index}]", prefix(variant)))
    }

    fn named<E>(&self, key: &str, result: Result<(), E>) -> Result<(), E> {
        self.rejected.trace(result, || format!("{}.{key}", prefix(self.variant)))
    }
}

fn prefix(variant: Option<&str>) -> String {
    variant.map(|variant| format!(".{variant}")).unwrap_or_default()
}

macro_rules! pass_through {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        fn $method(self, $($name: $type),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($name),*)
        }
    )*};
}

impl<'a, S: Serializer> Serializer for Checked<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = CheckedCompound<'a, S::SerializeSeq>;
    type SerializeTuple = CheckedCompound<'a, S::SerializeTuple>;
    type SerializeTupleStruct = CheckedCompound<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = CheckedCompound<'a, S::SerializeTupleVariant>;
    type SerializeMap = CheckedCompound<'a, S::SerializeMap>;
    type SerializeStruct = CheckedCompound<'a, S::SerializeStruct>;
    type SerializeStructVariant = CheckedCompound<'a, S::SerializeStructVariant>;

    pass_through! {
        serialize_bool(v: bool);
        serialize_i8(v: i8);
        serialize_i16(v: i16);
        serialize_i32(v: i32);
        serialize_i64(v: i64);
        serialize_i128(v: i128);
        serialize_u8(v: u8);
        serialize_u16(v: u16);
        serialize_u32(v: u32);
        serialize_u64(v: u64);
        serialize_u128(v: u128);
        serialize_char(v: char);
        serialize_str(v: &str);
        serialize_bytes(v: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_f32(self, v: f32) -> Result<S::Ok, S::Error> {
        if v.is_finite() { self.inner.serialize_f32(v) } else { Err(self.rejected.reject(f64::from(v))) }
    }

    fn serialize_f64(self, v: f64) -> Result<S::Ok, S::Error> {
        if v.is_finite() { self.inner.serialize_f64(v) } else { Err(self.rejected.reject(v)) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&CheckedValue(value, self.rejected))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &CheckedValue(value, self.rejected))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let result =
            self.inner.serialize_newtype_variant(name, index, variant, &CheckedValue(value, self.rejected));
        self.rejected.trace(result, || prefix(Some(variant)))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        CheckedCompound::new(self.inner.serialize_seq(len), self.rejected, None)
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        CheckedCompound::new(self.inner.serialize_tuple(len), self.rejected, None)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        CheckedCompound::new(self.inner.serialize_tuple_struct(name, len), self.rejected, None)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let inner = self.inner.serialize_tuple_variant(name, index, variant, len);
        CheckedCompound::new(inner, self.rejected, Some(variant))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        CheckedCompound::new(self.inner.serialize_map(len), self.rejected, None)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        CheckedCompound::new(self.inner.serialize_struct(name, len), self.rejected, None)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let inner = self.inner.serialize_struct_variant(name, index, variant, len);
        CheckedCompound::new(inner, self.rejected, Some(variant))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Compound values whose parts have indexes.
macro_rules! indexed {
    ($($trait:ident::$method:ident;)*) => {$(
        impl<C: $trait> $trait for CheckedCompound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let result = self.inner.$method(&CheckedValue(value, self.rejected));
                self.indexed(result)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

indexed! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

/// Compound values whose parts have names.
macro_rules! named {
    ($($trait:ident;)*) => {$(
        impl<C: $trait> $trait for CheckedCompound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                let result = self.inner.serialize_field(key, &CheckedValue(value, self.rejected));
                self.named(key, result)
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

named! {
    SerializeStruct;
    SerializeStructVariant;
}

impl<C: SerializeMap> SerializeMap for CheckedCompound<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let result = self.inner.serialize_value(&CheckedValue(value, self.rejected));
        self.indexed(result)
    }

    fn serialize_entry<K, V>(&mut self, key: &K, value: &V) -> Result<(), C::Error>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        let result = self.inner.serialize_entry(key, &CheckedValue(value, self.rejected));
        self.rejected.trace(result, || format!("[{}]", serde_json::to_string(key).unwrap_or_default()))
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};
    use serde_json::Value;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        price: f64,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rebate: Option<f32>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Point,
        Circle(f64),
        Pair(f64, f64),
        Line { length: f64 },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        unit: (),
        flag: bool,
        wide: (i128, u128),
        letter: char,
        text: Option<String>,
        shapes: Vec<Shape>,
        named: BTreeMap<u8, Line>,
        #[serde(flatten)]
        line: Line,
        bytes: [u8; 3],
        any: Value,
    }

    fn all() -> All {
        All {
            unit: (),
            flag: true,
            wide: (i128::MIN, u128::MAX),
            letter: 'ü',
            text: Some("\"\n".to_owned()),
            shapes: vec![
                Shape::Point,
                Shape::Circle(0.1),
                Shape::Pair(-0.0, 1e300),
                Shape::Line { length: 1.5 },
            ],
            named: BTreeMap::from([(7, Line { price: 2.0, rebate: Some(0.3) })]),
            line: Line { price: 1.0, rebate: None },
            bytes: [1, 2, 3],
            any: serde_json::json!({"a": [1, 2.5, null]}),
        }
    }

    #[test]
    fn the_text_is_that_of_serde_json() {
        assert_eq!(text(&all()).unwrap(), serde_json::to_string(&all()).unwrap());
    }

    #[test]
    fn a_number_that_json_cannot_hold_is_named() {
        let bad = Line { price: 1.0, rebate: Some(f32::INFINITY) };
        let cases: [(Result<String, BoxError>, &str); 8] = [
            (text(&f64::NAN), "the value is NaN"),
            (text(&Some(f64::NAN)), "the value is NaN"),
            (text(&[(1.0, f64::NEG_INFINITY)]), "[0][1] is -inf"),
            (text(&bad), "rebate is inf"),
            (text(&BTreeMap::from([("a", &bad)])), "[\"a\"].rebate is inf"),
            (text(&vec![Shape::Circle(f64::NAN)]), "[0].Circle is NaN"),
            (text(&Shape::Pair(0.0, f64::NAN)), "Pair[1] is NaN"),
            (text(&Shape::Line { length: f64::NAN }), "Line.length is NaN"),
        ];
        for (result, expected) in cases {
            assert_eq!(result.unwrap_err().to_string(), format!("{expected}, which JSON cannot hold"));
        }
    }

    #[test]
    fn errors_of_serde_are_passed_on() {
        let keys = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(text(&keys).unwrap_err().to_string(), "key must be a string");
    }

    proptest! {
        #[test]
        fn numbers_that_are_accepted_can_be_deserialized(numbers in proptest::collection::vec(any::<f64>(), 0..8)) {
            let line = Shape::Line { length: numbers.first().copied().unwrap_or_default() };
            let written = readable(&(&numbers.len(), numbers.clone(), line).1);
            prop_assert_eq!(written.is_ok(), numbers.iter().all(|number| number.is_finite()));
        }
    }
}
