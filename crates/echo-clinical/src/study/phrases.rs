//! Reports as lists of phrases.

use crate::entries::Entries;
use crate::error::Error;

/// What ends a section of a report.
pub(super) const SECTION_END: &str = "[SEP]";

/// The phrases of each section of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrases {
    /// Sections by name, each with its phrases.
    sections: Vec<(String, Vec<String>)>,
}

/// Blanks of a phrase. A value takes the place of the first kind that the phrase has.
const BLANKS: [&str; 2] = ["<numerical>", "<string>"];

/// A phrase of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhraseCode<'a> {
    /// The place of its section in the file.
    pub section: usize,
    /// Its place among all phrases of the section.
    pub phrase: usize,
    /// What takes the place of `<numerical>`, or else of `<string>`; empty where there is neither. Written as Python's `str`
    /// writes it: 55 for an integer and 55.0 for a float.
    pub value: &'a str,
}

impl Phrases {
    /// Reads JSON: an object of sections, each an object of groups, each a list of phrases. The order of sections and groups
    /// counts.
    ///
    /// # Errors
    /// When it is anything else, or a name appears twice.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let Entries::<Entries<Vec<String>>>(sections) =
            serde_json::from_str(text).map_err(|source| Error::Json { what: "the file of phrases", source })?;
        let joined = |(name, Entries(groups)): (String, Entries<Vec<String>>)| {
            (name, groups.into_iter().flat_map(|(_, phrases)| phrases).collect())
        };
        Ok(Self { sections: sections.into_iter().map(joined).collect() })
    }

    /// Whether a phrase of a section, both by their places, has a blank; `None` where there is no such phrase.
    pub fn has_blank(&self, section: usize, phrase: usize) -> Option<bool> {
        let words = self.sections.get(section)?.1.get(phrase)?;
        Some(BLANKS.iter().any(|blank| words.contains(blank)))
    }

    /// The text of a report: `Section: phrase phrase [SEP] Section: phrase [SEP]`. A phrase has one value, which takes the place
    /// of all its blanks ("between 55 and 55 %"), as upstream has it.
    ///
    /// # Errors
    /// When there is no such section or phrase.
    pub fn decode<'a>(&self, report: impl IntoIterator<Item = PhraseCode<'a>>) -> Result<String, Error> {
        let mut text = String::new();
        let mut current = None;
        for PhraseCode { section, phrase, value } in report {
            let unknown = || Error::Phrase { section, phrase };
            let (name, phrases) = self.sections.get(section).ok_or_else(unknown)?;
            let words = phrases.get(phrase).ok_or_else(unknown)?;
            if current.is_some_and(|current| current != section) {
                text += SECTION_END;
                text.push(' ');
            }
            if current != Some(section) {
                text += name;
                text += ": ";
            }
            current = Some(section);
            match BLANKS.iter().find(|&&blank| words.contains(blank)) {
                Some(blank) => text += &words.replace(blank, value),
                None => text += words,
            }
            text.push(' ');
        }
        Ok(text + SECTION_END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "Left Ventricle": {"Size": ["Normal size."], "Function": ["EF <numerical>%.", "EF <numerical> to <numerical>%."]},
        "Aorta": {"All": ["Root of <numerical> cm, <string>.", "Seen by <string>."]}
    }"#;

    fn code(section: usize, phrase: usize, value: &str) -> PhraseCode<'_> {
        PhraseCode { section, phrase, value }
    }

    #[test]
    fn phrases_are_numbered_over_the_groups_of_their_section_and_blanks_are_filled() -> Result<(), Error> {
        let phrases = Phrases::from_json(FILE)?;
        let report = [code(0, 0, ""), code(0, 2, "55.0"), code(1, 1, "Dr A"), code(1, 0, "3.5"), code(0, 1, "60")];
        assert_eq!(
            phrases.decode(report)?,
            "Left Ventricle: Normal size. EF 55.0 to 55.0%. [SEP] Aorta: Seen by Dr A. Root of 3.5 cm, <string>. [SEP] \
             Left Ventricle: EF 60%. [SEP]"
        );
        assert_eq!(phrases.decode([])?, "[SEP]");
        let blanks =
            [(0, 0), (0, 2), (1, 1), (1, 2), (2, 0)].map(|(section, phrase)| phrases.has_blank(section, phrase));
        assert_eq!(blanks, [Some(false), Some(true), Some(true), None, None]);
        Ok(())
    }

    #[test]
    fn phrases_that_there_are_not_are_refused() -> Result<(), Error> {
        let phrases = Phrases::from_json(FILE)?;
        for (section, phrase) in [(2, 0), (1, 2)] {
            let error = phrases.decode([code(section, phrase, "")]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("there is no phrase {phrase} in section {section};")));
        }
        let error = Phrases::from_json(r#"{"Aorta": ["Normal."]}"#).unwrap_err();
        assert!(error.to_string().starts_with("the file of phrases cannot be read as JSON: invalid type"), "{error}");
        Ok(())
    }
}
