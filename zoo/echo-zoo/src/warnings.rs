//! What stands beside numbers that may mean nothing: in a column of their files, and at the end on the terminal.

use echo_files::{printable, say};
use echo_kernels::Precision;
use echo_phantom::is_phantom;
use echo_report::weights_caution;
use echo_weights::{Built, WeightsKind};

use crate::clip_args::Row;

/// What stands at the end of every result.
pub(crate) const NOT_CLINICAL: &str = "research software, not for clinical use";

/// What is to be warned of in numbers of one encoder.
pub(crate) struct Warnings<'a> {
    built: &'a Built,
    precision: Precision,
    /// A command that gives numbers of patients.
    remedy: String,
    /// Inputs that are not known to be phantoms.
    patients: usize,
}

impl<'a> Warnings<'a> {
    pub(crate) fn new(built: &'a Built, precision: Precision, remedy: String) -> Self {
        Self { built, precision, remedy, patients: 0 }
    }

    /// What belongs beside a row's numbers; nothing for most.
    pub(crate) fn of<R>(&mut self, row: &Row<R>) -> String {
        // Who cannot be asked whether it is a phantom is none.
        let of_phantoms = !row.paths.is_empty() && row.paths.iter().all(|path| is_phantom(path).unwrap_or(false));
        let of_weights = self.of_weights(of_phantoms);
        let phantom = (of_weights.is_none() && of_phantoms).then_some("phantom");
        let of_row = phantom.into_iter().chain(row.doubts.iter().map(String::as_str));
        of_weights.into_iter().chain(self.of_precision()).chain(of_row).collect::<Vec<_>>().join("; ")
    }

    /// The same of what is made of rows that have been counted.
    pub(crate) fn of_several<R>(&mut self, row: &Row<R>) -> String {
        let counted = self.patients;
        let warning = self.of(row);
        self.patients = counted;
        warning
    }

    /// The same of what is no clip.
    pub(crate) fn of_text(&mut self) -> String {
        self.of_weights(false).into_iter().chain(self.of_precision()).collect::<Vec<_>>().join("; ")
    }

    /// What is less exact than 32 bits.
    fn of_precision(&self) -> Option<&'static str> {
        (self.precision != Precision::F32).then(|| self.precision.name())
    }

    fn of_weights(&mut self, of_phantoms: bool) -> Option<&'static str> {
        let caution = weights_caution(&self.built.kind.to_string(), self.built.preset.published, of_phantoms);
        self.patients += usize::from(caution.is_some());
        caution
    }

    /// Says at the end what all numbers have in common.
    pub(crate) fn say(&self) {
        self.lines().iter().for_each(|line| say(line));
    }

    /// What all numbers have in common.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.caution().into_iter().chain([NOT_CLINICAL.to_owned()]).collect()
    }

    /// What all numbers have in common, where it is to be warned of.
    pub(crate) fn caution(&self) -> Option<String> {
        match (self.built.kind, self.patients) {
            (_, 0) if self.built.preset.published => None,
            (_, 0) => {
                Some("phantom data and nano weights, which know no patients: none of this is about patients".to_owned())
            }
            (WeightsKind::Random, _) => Some("the weights are random: these numbers mean nothing".to_owned()),
            (_, count) => Some(format!(
                "nano weights know no patients, and {count} of these inputs {} not known to be {}: \
                 the numbers mean nothing; what full-size weights say: {}",
                if count == 1 { "is" } else { "are" },
                if count == 1 { "a phantom" } else { "phantoms" },
                self.remedy
            )),
        }
    }
}

/// A warning beside a number on the terminal.
pub(crate) fn beside(warning: &str) -> String {
    if warning.is_empty() { String::new() } else { format!("! {}", printable(warning)) }
}

/// Warnings, each once.
pub(crate) fn joined<'a>(warnings: impl IntoIterator<Item = &'a str>) -> String {
    let mut each: Vec<&str> = Vec::new();
    for warning in warnings.into_iter().flat_map(|warning| warning.split("; ")).filter(|text| !text.is_empty()) {
        if !each.contains(&warning) {
            each.push(warning);
        }
    }
    each.join("; ")
}
