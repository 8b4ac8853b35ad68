//! What is true of a sample.

use serde::{Deserialize, Serialize};

/// The label of one video or study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Truth {
    /// A number in the task's unit.
    Value(f32),
    /// A class, counted from 0: of yes and no, of several, or of several in ascending order.
    Class(usize),
    /// For each label whether it holds; `None` where nobody has said so.
    Labels(Vec<Option<bool>>),
}

impl Truth {
    /// The number, of a regression.
    pub fn value(&self) -> Option<f32> {
        if let Self::Value(value) = self { Some(*value) } else { None }
    }

    /// The class, where there is one.
    pub fn class(&self) -> Option<usize> {
        if let Self::Class(class) = self { Some(*class) } else { None }
    }

    /// What is known of the labels, where there are several.
    pub fn labels(&self) -> Option<&[Option<bool>]> {
        if let Self::Labels(labels) = self { Some(labels) } else { None }
    }
}
