//! Heads of an encoder's own: what it was trained to say of a clip beside embedding it.

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

/// A head, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Upstream's name, also the checkpoint's.
    pub name: &'static str,
    /// What it says.
    pub kind: HeadKind,
    /// What the name stands for; for a binary head, the finding whose probability is reported.
    pub meaning: &'static str,
}

impl Head {
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn kinds_report_values_and_probabilities() {
        let reported = |kind, x: &[f32]| {
            let head = Head { name: "a", kind, meaning: "" };
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
}
