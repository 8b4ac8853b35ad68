//! Which phrases of a report have a blank.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::AssetsError;

/// What a value is put in the place of.
const BLANKS: [&str; 2] = ["<numerical>", "<string>"];

/// For each section of the JSON file, and each of its phrases over all groups, whether the phrase has a blank. Objects
/// of JSON have the order of the file: reports refer to sections and phrases by their numbers.
pub(super) fn blanks(path: &Path, json: &str) -> Result<Vec<Vec<bool>>, AssetsError> {
    let InOrder::<InOrder<Vec<String>>>(sections) = serde_json::from_str(json)
        .map_err(|error| AssetsError::content(path, format!("sections, groups and phrases are expected: {error}")))?;
    let has_blank = |phrase: String| BLANKS.iter().any(|blank| phrase.contains(blank));
    Ok(sections.into_iter().map(|InOrder(groups)| groups.into_iter().flatten().map(has_blank).collect()).collect())
}

/// The values of an object, in their order.
struct InOrder<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InOrder<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Values<T> {
            type Value = InOrder<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some((_, value)) = map.next_entry::<IgnoredAny, T>()? {
                    values.push(value);
                }
                Ok(InOrder(values))
            }
        }

        deserializer.deserialize_map(Values(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_counted_over_the_groups_of_their_section_in_the_order_of_the_file() {
        let json = r#"{"B": {"b": ["Normal.", "<numerical> mm"], "a": ["by <string>"]}, "A": {}}"#;
        assert_eq!(blanks(Path::new("a.json"), json).unwrap(), [vec![false, true, true], vec![]]);
        let error = blanks(Path::new("a.json"), r#"{"A": ["Normal."]}"#).unwrap_err().to_string();
        assert!(error.starts_with("cannot use a.json: sections, groups and phrases are expected: "), "{error}");
    }
}
