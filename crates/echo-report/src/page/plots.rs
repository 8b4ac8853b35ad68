//! The report's plots, each an SVG of fixed proportions whose colours are classes of the page's style sheet.

mod bland_altman;
mod canvas;
mod losses;
mod published;
mod ranks;
mod scale;
mod scatter;
mod shots;

pub(super) use bland_altman::bland_altman;
pub(super) use losses::{Curve, losses};
pub(super) use published::Published;
pub(super) use ranks::{RankError, ranks};
pub(super) use scale::Scale;
pub(super) use scatter::scatter;
pub(super) use shots::{Line, Panel, Point, legend, shots};
