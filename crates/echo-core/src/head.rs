//! Heads of an encoder's own: what it was trained to say of a clip beside embedding it.

use std::fmt;

use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, softmax};

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// A measurement.
    Regression {
        /// Its unit; empty for a ratio.
        unit: &'static str,
    },
    /// One of two findings; the head's sigmoid is the probability of the second.
    Binary {
        /// The findings.
        classes: [&'static str; 2],
        /// Index of the one whose probability is reported. Where it is the first, that is `1 - sigmoid`.
        reported: usize,
    },
    /// One of several classes; all probabilities are reported.
    MultiClass {
        /// The classes, in the order of the outputs.
        classes: &'static [&'static str],
    },
}

/// What a guideline calls normal in adults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalRange {
    /// The least and the greatest value of men; an infinite one is no limit.
    pub men: [f32; 2],
    /// The same of women.
    pub women: [f32; 2],
    /// The guideline.
    pub source: &'static str,
}

/// A head, as data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// Upstream's name, also the checkpoint's.
    pub name: &'static str,
    /// What it says.
    pub kind: HeadKind,
    /// What the name stands for; for a binary head, the finding whose probability is reported.
    pub meaning: &'static str,
    /// The part of the heart that it is about, by which a study's findings are grouped.
    pub part: &'static str,
    /// What is normal, where a guideline says it of the same measurement in the same unit.
    pub normal: Option<NormalRange>,
}

impl Head {
    /// The same head with what a guideline calls normal.
    pub const fn with_normal(self, men: [f32; 2], women: [f32; 2], source: &'static str) -> Self {
        Self { normal: Some(NormalRange { men, women, source }), ..self }
    }

    /// How many numbers the head gives.
    pub const fn outputs(&self) -> usize {
        match self.kind {
            HeadKind::Regression { .. } | HeadKind::Binary { .. } => 1,
            HeadKind::MultiClass { classes } => classes.len(),
        }
    }

    /// From the head's linear output to what is reported, both `[batch, outputs]`: a value in its unit, a
    /// probability, or one probability per class.
    pub fn activate(&self, x: Tensor<2>) -> Tensor<2> {
        match self.kind {
            HeadKind::Regression { .. } => x,
            HeadKind::Binary { reported: 0, .. } => 1.0 - sigmoid(x),
            HeadKind::Binary { .. } => sigmoid(x),
            HeadKind::MultiClass { .. } => softmax(x, 1),
        }
    }

    /// What each reported number is of: the finding or class; empty for a measurement.
    pub fn labels(&self) -> Vec<&'static str> {
        match self.kind {
            HeadKind::Regression { .. } => vec![""],
            HeadKind::Binary { classes, reported } => vec![classes[reported]],
            HeadKind::MultiClass { classes } => classes.to_vec(),
        }
    }

    /// Unit of a measurement; empty for probabilities and ratios.
    pub const fn unit(&self) -> &'static str {
        match self.kind {
            HeadKind::Regression { unit } => unit,
            HeadKind::Binary { .. } | HeadKind::MultiClass { .. } => "",
        }
    }
}

impl fmt::Display for NormalRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |[least, most]: [f32; 2]| match (least.is_finite(), most.is_finite()) {
            (true, true) => format!("{least} to {most}"),
            (true, false) => format!("at least {least}"),
            (false, _) => format!("at most {most}"),
        };
        match self.men == self.women {
            true => f.write_str(&one(self.men)),
            false => write!(f, "{} (men), {} (women)", one(self.men), one(self.women)),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn kinds_report_values_and_probabilities() {
        let reported = |kind, x: &[f32]| {
            let head = Head { name: "a", kind, meaning: "", part: "", normal: None };
            let x = Tensor::<1>::from_floats(x, &Device::flex()).unsqueeze();
            let values = head.activate(x).into_data().try_to_vec::<f32>().unwrap();
            assert_eq!((values.len(), values.len()), (head.outputs(), head.labels().len()));
            values
        };
        let near = |a: Vec<f32>, b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        let classes = ["a", "b"];
        assert_eq!(reported(HeadKind::Regression { unit: "%" }, &[-3.0]), [-3.0]);
        // sigmoid(ln 3) = 3/4
        assert!(near(reported(HeadKind::Binary { classes, reported: 1 }, &[3.0f32.ln()]), &[0.75]));
        assert!(near(reported(HeadKind::Binary { classes, reported: 0 }, &[3.0f32.ln()]), &[0.25]));
        let grades = HeadKind::MultiClass { classes: &["a", "b", "c"] };
        assert!(near(reported(grades, &[0.0, 2.0f32.ln(), 0.0]), &[0.25, 0.5, 0.25]));
    }

    #[test]
    fn ranges_are_read_as_a_guideline_writes_them() {
        let text = |men, women| NormalRange { men, women, source: "" }.to_string();
        assert_eq!(text([52.0, 72.0], [54.0, 74.0]), "52 to 72 (men), 54 to 74 (women)");
        assert_eq!(text([1.7, f32::INFINITY], [1.7, f32::INFINITY]), "at least 1.7");
        assert_eq!(text([f32::NEG_INFINITY, 14.0], [f32::NEG_INFINITY, 14.0]), "at most 14");
    }
}
