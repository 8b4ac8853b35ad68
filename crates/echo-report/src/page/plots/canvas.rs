//! An SVG by plotters, with classes of the style sheet instead of colours so that light and dark both work.

use std::fmt::Write;

use maud::html;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{PathElement, Text};
use plotters::prelude::{Cartesian2d, DrawingArea, IntoDrawingArea, RGBColor, SVGBackend, ShapeStyle, TextStyle};
use plotters::style::IntoFont;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width and height in units of the view box; a little less than the narrowest phone, so that text keeps its size.
pub(super) const SIZE: (u32, u32) = (360, 270);
/// The same of plots whose axes are alike.
pub(super) const SQUARE: (u32, u32) = (330, 330);
/// Font size that plotters writes as 11.
pub(super) const FONT: f64 = 13.64;
/// The other two bytes of colours that stand for classes.
const MARK: (u8, u8) = (0xEC, 0x0E);
/// Labels of the y axis at most.
const Y_LABELS: usize = 6;
/// Series that have a colour of their own; more begin again.
pub(super) const SERIES: usize = 6;

/// A class of the style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Text and axes.
    Ink,
    /// Grid lines.
    Grid,
    /// What a reader compares with: identity, constants, zero.
    Reference,
    /// A series, by its number.
    Series(usize),
    /// What others published.
    Published,
}

impl Role {
    fn number(self) -> u8 {
        match self {
            Role::Ink => 0,
            Role::Grid => 1,
            Role::Reference => 2,
            Role::Series(index) => 3 + (index % SERIES) as u8,
            Role::Published => 3 + SERIES as u8,
        }
    }

    pub(super) fn color(self) -> RGBColor {
        RGBColor(self.number(), MARK.0, MARK.1)
    }

    pub(super) fn stroke(self, width: u32) -> ShapeStyle {
        ShapeStyle { color: self.color().into(), filled: false, stroke_width: width }
    }

    pub(super) fn fill(self) -> ShapeStyle {
        ShapeStyle { color: self.color().into(), filled: true, stroke_width: 1 }
    }
}

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
/// What drawing into a string can fail with.
pub(super) type DrawError = Box<dyn std::error::Error>;

/// Axes' names and ranges.
pub(super) struct Axes<'a> {
    pub(super) x: (&'a str, f64, f64),
    pub(super) y: (&'a str, f64, f64),
    /// Labels of the x axis that are wanted at most.
    pub(super) x_labels: usize,
    /// How a value of the x axis is written; an empty text is none.
    pub(super) x_format: &'a dyn Fn(&f64) -> String,
    /// What colours mean, above the plot.
    pub(super) key: &'a [(Role, String)],
}

/// The SVG of what `draw` draws. `alt` says in words what there is to see.
pub(super) fn svg(alt: &str, draw: impl FnOnce(&Area<'_>) -> Result<(), DrawError>) -> String {
    sized(SIZE, alt, draw)
}

/// The same for a plot whose axes are alike.
pub(super) fn square(alt: &str, draw: impl FnOnce(&Area<'_>) -> Result<(), DrawError>) -> String {
    sized(SQUARE, alt, draw)
}

pub(super) fn sized(size: (u32, u32), alt: &str, draw: impl FnOnce(&Area<'_>) -> Result<(), DrawError>) -> String {
    let mut text = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&area).and_then(|()| Ok(area.present()?))
    };
    match drawn {
        Ok(()) => classes(&text, size, alt),
        Err(error) => html! { p { "This plot could not be drawn: " (error) } }.into_string(),
    }
}

/// Axes with labels, ready for series.
pub(super) fn chart<'a, 'b>(area: &'a Area<'b>, axes: &Axes<'_>) -> Result<Chart<'a, 'b>, DrawError> {
    let ((x_name, x_low, x_high), (y_name, y_low, y_high)) = (axes.x, axes.y);
    let above = key(area, axes.key)?;
    // As many decimals as tell neighbouring labels apart, and room for them beside the axis' name.
    let decimals = (-((y_high - y_low) / Y_LABELS as f64).log10()).ceil().clamp(0.0, 9.0) as usize;
    let y_format =
        |value: &f64| if value.abs() < 1e6 { format!("{:.decimals$}", value + 0.0) } else { format!("{value:e}") };
    let longest = [y_low, y_high].iter().map(|end| y_format(end).trim_start_matches('-').len()).max().unwrap_or(0);
    let longest = longest.min(12) + usize::from(y_low < 0.0);
    let beside = (26 + 6 * longest as u32).max(46);
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .margin_top(6 + above)
        .margin_right(12)
        .x_label_area_size(38)
        .y_label_area_size(beside)
        .build_cartesian_2d(x_low..x_high, y_low..y_high)?;
    let ink = Role::Ink.color();
    let font = || TextStyle::from(("sans-serif", FONT).into_font()).color(&ink);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(Role::Grid.stroke(0))
        .max_light_lines(0)
        .bold_line_style(Role::Grid.stroke(1))
        .axis_style(Role::Ink.stroke(1))
        .x_labels(axes.x_labels)
        .y_labels(Y_LABELS)
        .x_label_formatter(axes.x_format)
        .y_label_formatter(&y_format)
        .label_style(font())
        .axis_desc_style(font())
        .x_desc(x_name)
        .y_desc(y_name)
        .draw()?;
    Ok(chart)
}

/// Draws what colours mean in lines above the plot, and gives their height.
fn key(area: &Area<'_>, items: &[(Role, String)]) -> Result<u32, DrawError> {
    /// Units of a character, and of a line.
    const WIDE: usize = 6;
    const HIGH: i32 = 15;
    let (width, ink) = (area.dim_in_pixel().0 as usize, Role::Ink.color());
    let font = TextStyle::from(("sans-serif", FONT).into_font()).color(&ink).pos(Pos::new(HPos::Left, VPos::Center));
    let (mut x, mut y) = (8, 0);
    for (role, name) in items {
        let name: String = name.chars().take(width / WIDE - 6).collect();
        let needed = 16 + WIDE * name.chars().count() + 10;
        if x > 8 && x + needed > width {
            (x, y) = (8, y + HIGH);
        }
        let (left, middle) = (x as i32, y + 10);
        let line = [(left, middle), (left + 12, middle)];
        area.draw(&PathElement::new(line, role.stroke(if *role == Role::Reference { 2 } else { 3 })))?;
        area.draw(&Text::new(name, (left + 16, middle), font.clone()))?;
        x += needed;
    }
    Ok(if items.is_empty() { 0 } else { (y + HIGH + 5) as u32 })
}

/// A number without needless zeros.
pub(super) fn number(value: &f64) -> String {
    let rounded = (value * 1000.0).round() / 1000.0;
    // Without it, a rounded -0.0 is written with its sign.
    format!("{}", rounded + 0.0)
}

/// `low..high` with a margin, never empty, whatever the values are.
pub(super) fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    match low <= high {
        false => (0.0, 1.0),
        true => {
            let margin = ((high - low) * 0.08).max(low.abs().max(high.abs()) * 1e-3).max(1e-6);
            (low - margin, high + margin)
        }
    }
}

/// Classes for colours, one path for all dots of a series, and a title for those who do not see it.
fn classes(svg: &str, (width, height): (u32, u32), alt: &str) -> String {
    let title = html! { title { (alt) } }.into_string();
    let mut text = format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\">{title}\n");
    let mut dots: Option<(u8, String)> = None;
    let flush = |dots: &mut Option<(u8, String)>, text: &mut String| {
        if let Some((role, path)) = dots.take() {
            let _ = writeln!(text, "<path class=\"dots k{role}\" d=\"{path}\"/>");
        }
    };
    for line in svg.lines().skip(1) {
        if let Some((role, x, y)) = dot(line) {
            match &mut dots {
                Some((other, path)) if *other == role => {
                    let _ = write!(path, "M{x} {y}h0");
                }
                _ => {
                    flush(&mut dots, &mut text);
                    dots = Some((role, format!("M{x} {y}h0")));
                }
            }
            continue;
        }
        flush(&mut dots, &mut text);
        let mut line = line.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "");
        for role in 0..4 + SERIES {
            let color = format!("#{role:02X}{:02X}{:02X}", MARK.0, MARK.1);
            line = line.replace(&format!("fill=\"{color}\""), &format!("class=\"f{role}\""));
            line = line.replace(&format!("stroke=\"{color}\""), &format!("class=\"k{role}\""));
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Role and place of a filled circle of radius 2, which is how a cloud of points is drawn.
fn dot(line: &str) -> Option<(u8, &str, &str)> {
    let rest = line.strip_prefix("<circle cx=\"")?;
    let (x, rest) = rest.split_once("\" cy=\"")?;
    let (y, rest) = rest.split_once("\" r=\"2\"")?;
    let (_, color) = rest.split_once("fill=\"#")?;
    Some((u8::from_str_radix(color.get(..2)?, 16).ok()?, x, y))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Every element that is opened is closed in its order, attributes are quoted, and nothing is left of the colours
    /// that stand for classes.
    pub(in super::super) fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some(start) = rest.find('<') {
            let end = start + rest[start..].find('>').unwrap_or_else(|| panic!("no end: {}", &rest[start..]));
            let tag = &rest[start + 1..end];
            assert!(tag.matches('"').count().is_multiple_of(2) && !tag.contains('<'), "{tag}");
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap().to_owned();
            match (tag.starts_with('/'), tag.ends_with('/')) {
                (true, _) => assert_eq!(open.pop(), Some(name), "{svg}"),
                (false, false) => open.push(name),
                (false, true) => (),
            }
            assert!(tag.matches("class=").count() <= 1, "two classes are not XML: {tag}");
            rest = &rest[end + 1..];
        }
        assert_eq!(open, Vec::<String>::new(), "left open in {svg}");
        assert!(svg.starts_with("<svg viewBox") && !svg.contains("EC0E") && !svg.contains("could not"), "{svg}");
    }

    #[test]
    fn ranges_are_never_empty_and_pass_over_what_is_not_finite() {
        for values in [vec![], vec![0.0], vec![5.0; 3], vec![f64::NAN, f64::INFINITY], vec![-1.0, f64::NAN, 2.0]] {
            let (low, high) = range(values.iter().copied());
            assert!(low < high && low.is_finite() && high.is_finite(), "{values:?}: {low} {high}");
        }
    }
}
