//! JSON objects whose order counts and without duplicate keys.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};

/// Keys and values in the order of the file.
pub(crate) struct Entries<T>(pub(crate) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries: Vec<(String, T)> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if entries.iter().any(|(other, _)| *other == key) {
                        return Err(A::Error::custom(format!("the key `{key}` appears twice")));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_duplicate_keys_are_refused() {
        let entries: Entries<u8> = serde_json::from_str(r#"{"b": 1, "a": 2, "c": 3}"#).expect("an object");
        assert_eq!(entries.0, [("b".to_owned(), 1), ("a".to_owned(), 2), ("c".to_owned(), 3)]);
        let error = serde_json::from_str::<Entries<u8>>(r#"{"b": 1, "b": 2}"#).err().expect("twice");
        assert!(error.to_string().contains("`b` appears twice"), "{error}");
    }
}
