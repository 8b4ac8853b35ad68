//! The report's plots, each an SVG of fixed proportions whose colours are classes of the page's style sheet.

mod band;
mod bland_altman;
mod canvas;
mod confusion;
mod learning;
mod published;
mod ranks;
mod reliability;
mod scale;
mod scatter;
mod shots;

pub(super) use band::{Band, precision_recall, roc};
pub(super) use bland_altman::bland_altman;
pub(super) use confusion::confusion;
pub(super) use learning::{Curve, learning};
pub(super) use published::Published;
pub(super) use ranks::{RankError, ranks};
pub(super) use reliability::reliability;
pub(super) use scale::Scale;
pub(super) use scatter::scatter;
pub(super) use shots::{Line, Panel, Place, Point, shots};
