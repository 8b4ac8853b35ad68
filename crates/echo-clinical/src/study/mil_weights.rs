//! How much each view counts in each section of a report.

use crate::error::{Error, listed};

const FILE: &str = "the table of section weights";

/// Weights of views (columns) in sections (rows), as multiple-instance learning (MIL) left them.
#[derive(Clone, Debug, PartialEq)]
pub struct MilWeights {
    sections: Vec<String>,
    views: Vec<String>,
    /// `[sections, views]`
    weights: Vec<f32>,
}

impl MilWeights {
    /// Reads CSV: a header with the names of the views after a first cell, then a section's name and its weights in each row.
    ///
    /// # Errors
    /// When there is no view or no section, a name is empty or appears twice, a row is too long or too short, or a weight
    /// is no finite number from 0 upwards.
    pub fn from_csv(text: &str) -> Result<Self, Error> {
        let unreadable = |source| Error::Csv { what: FILE, source };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let views: Vec<String> = reader.headers().map_err(unreadable)?.iter().skip(1).map(str::to_owned).collect();
        let (mut sections, mut weights) = (Vec::new(), Vec::new());
        for row in reader.records() {
            let row = row.map_err(unreadable)?;
            let section = row.get(0).unwrap_or_default();
            for (cell, view) in row.iter().skip(1).zip(&views) {
                let weight = cell.parse().ok().filter(|weight| (0.0..=f32::MAX).contains(weight));
                weights.push(weight.ok_or_else(|| Error::Table {
                    what: FILE,
                    reason: format!("the weight of {view} in {section} is {cell:?}; give a number from 0 upwards"),
                })?);
            }
            sections.push(section.to_owned());
        }
        check_names("view", &views)?;
        check_names("section", &sections)?;
        Ok(Self { sections, views, weights })
    }

    /// Names of the sections, in the order of the table.
    pub fn sections(&self) -> &[String] {
        &self.sections
    }

    /// Names of the views; a clip's view is its place here.
    pub fn views(&self) -> &[String] {
        &self.views
    }

    /// The place of a section.
    pub(super) fn section(&self, name: &str) -> Result<usize, Error> {
        let place = self.sections.iter().position(|section| section == name);
        place.ok_or_else(|| Error::UnknownSection { section: name.to_owned(), known: listed(&self.sections) })
    }

    /// Weights of all views in the section at a place.
    pub(super) fn of_section(&self, section: usize) -> &[f32] {
        &self.weights[section * self.views.len()..][..self.views.len()]
    }
}

fn check_names(of: &str, names: &[String]) -> Result<(), Error> {
    let refused = |reason: String| Err(Error::Table { what: FILE, reason });
    if names.is_empty() {
        return refused(format!("it has no {of}"));
    }
    for (place, name) in names.iter().enumerate() {
        if name.is_empty() {
            return refused(format!("a {of} has no name"));
        }
        if names[..place].contains(name) {
            return refused(format!("the {of} {name} appears twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_a_weight_for_each_view() -> Result<(), Error> {
        let weights = MilWeights::from_csv("Section,A2C,A4C\nLeft Ventricle,1.0,0.25\nAorta, 0 ,2.8e-05\n")?;
        assert_eq!(weights.views(), ["A2C", "A4C"]);
        assert_eq!(weights.sections(), ["Left Ventricle", "Aorta"]);
        assert_eq!(weights.of_section(weights.section("Left Ventricle")?), [1.0, 0.25]);
        assert_eq!(weights.of_section(weights.section("Aorta")?), [0.0, 2.8e-5]);
        let error = weights.section("IVC").unwrap_err();
        assert_eq!(error.to_string(), "there are no weights for the section `IVC`; known are Left Ventricle, Aorta");
        Ok(())
    }

    #[test]
    fn invalid_tables_are_refused() {
        let refused = |text: &str| MilWeights::from_csv(text).unwrap_err().to_string();
        assert_eq!(refused("Section\nAorta\n"), "the table of section weights: it has no view");
        assert_eq!(refused("Section,A2C\n"), "the table of section weights: it has no section");
        assert_eq!(refused("Section,A2C,A2C\nAorta,1,1\n"), "the table of section weights: the view A2C appears twice");
        assert!(refused("Section,A2C\nAorta,1\nAorta,1\n").ends_with("the section Aorta appears twice"));
        assert!(refused("Section,A2C\n,1\n").ends_with("a section has no name"));
        let long = refused("Section,A2C\nAorta,1,2\n");
        assert!(
            long.starts_with("the table of section weights cannot be read as CSV: ") && long.contains("3 fields"),
            "{long}"
        );
        for cell in ["", "x", "-0.5", "NaN", "inf"] {
            let message = format!("the weight of A2C in Aorta is {cell:?}; give a number from 0 upwards");
            assert!(refused(&format!("Section,A2C\nAorta,{cell}\n")).ends_with(&message), "{cell}");
        }
    }
}
