//! The confusion matrix: true classes downwards, predicted ones to the right.

use echo_metrics::Confusion;
use plotters::element::{Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform, IntoFont, TextStyle};

use super::canvas::{FONT, Role, SQUARE, number, sized};

/// Where the matrix begins, in units of the view box, where names are short; above and to the left stand names.
const LEFT: i32 = 88;
const TOP: i32 = 18;
/// Below it.
const BOTTOM: i32 = 46;
/// Characters of a class's name that are shown, and units of one.
const NAME: usize = 30;
const WIDE: i32 = 6;
/// As many classes as have room for numbers.
const NUMBERED: usize = 8;

/// Videos, mean over seeds, shaded by the share of the true class.
pub(in super::super) fn confusion(name: &str, classes: &[String], seeds: &[Confusion]) -> String {
    let count = classes.len();
    let mean = |truth: usize, predicted: usize| {
        let sum: f64 = seeds.iter().map(|seed| seed.at(truth, predicted) as f64).sum();
        (10.0 * sum / seeds.len().max(1) as f64).round() / 10.0
    };
    let words = classes.iter().enumerate().map(|(truth, class)| {
        let found: Vec<String> = (0..count)
            .map(|predicted| format!("{} as {}", number(&mean(truth, predicted)), classes[predicted]))
            .collect();
        format!("{class}: {}", found.join(", "))
    });
    let alt = format!("{name}: confusion matrix; {}", words.collect::<Vec<_>>().join("; "));
    // The picture grows with the names, and the matrix keeps its size. Names that are wider than a column stand upright.
    let (width, height) = (SQUARE.0 as i32 - LEFT - 12, SQUARE.1 as i32 - TOP - BOTTOM);
    let longest = WIDE * classes.iter().map(|class| class.chars().count().min(NAME)).max().unwrap_or(0) as i32;
    let is_upright = longest > width / count.max(1) as i32 && count <= NUMBERED;
    let left_of = if count <= NUMBERED { LEFT.max(longest + 14) } else { LEFT };
    let below = if is_upright { BOTTOM.max(longest + 28) } else { BOTTOM };
    let size = ((left_of + width + 12) as u32, (TOP + height + below) as u32);
    sized(size, &alt, |area| {
        let cell = |place: usize, along: i32| (along * place as i32) / count.max(1) as i32;
        let ink = Role::Ink.color();
        let font = |h: HPos, v: VPos| TextStyle::from(("sans-serif", FONT).into_font()).color(&ink).pos(Pos::new(h, v));
        let shown = |name: &String| match name.chars().count() {
            length if length > NAME => format!("{}…", name.chars().take(NAME - 1).collect::<String>()),
            _ => name.clone(),
        };
        for (truth, class) in classes.iter().enumerate() {
            let of_class: f64 = (0..count).map(|predicted| mean(truth, predicted)).sum();
            let (top, bottom) = (TOP + cell(truth, height), TOP + cell(truth + 1, height));
            let middle = (top + bottom) / 2;
            if count <= NUMBERED {
                let place = (left_of - 6, middle);
                area.draw(&Text::new(shown(class), place, font(HPos::Right, VPos::Center)))?;
            }
            for predicted in 0..count {
                let (left, right) = (left_of + cell(predicted, width), left_of + cell(predicted + 1, width));
                let share = if of_class > 0.0 { mean(truth, predicted) / of_class } else { 0.0 };
                let corners = [(left, top), (right, bottom)];
                area.draw(&Rectangle::new(corners, Role::Series(0).color().mix(0.6 * share).filled()))?;
                area.draw(&Rectangle::new(corners, Role::Grid.stroke(1)))?;
                if count <= NUMBERED {
                    let centre = (left + right) / 2;
                    area.draw(&Text::new(
                        number(&mean(truth, predicted)),
                        (centre, middle),
                        font(HPos::Center, VPos::Bottom),
                    ))?;
                    let share = format!("{:.0} %", 100.0 * share);
                    area.draw(&Text::new(share, (centre, middle + 1), font(HPos::Center, VPos::Top)))?;
                }
            }
        }
        if count <= NUMBERED {
            for (place, class) in classes.iter().enumerate() {
                let centre = left_of + (cell(place, width) + cell(place + 1, width)) / 2;
                let place = (centre, TOP + height + 4);
                let style = match is_upright {
                    true => font(HPos::Right, VPos::Center).transform(FontTransform::Rotate270),
                    false => font(HPos::Center, VPos::Top),
                };
                area.draw(&Text::new(shown(class), place, style))?;
            }
        }
        let below = (left_of + width / 2, size.1 as i32 - 4);
        area.draw(&Text::new("predicted", below, font(HPos::Center, VPos::Bottom)))?;
        area.draw(&Text::new("true", (left_of - 6, 3), font(HPos::Right, VPos::Top)))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use echo_metrics::{Scored, confusion as matrix};

    use super::*;
    use crate::page::plots::canvas::tests::assert_well_formed;

    #[test]
    fn names_of_classes_are_whole() {
        let names = ["normal", "mildly reduced", "moderately reduced", "severely reduced"].map(str::to_owned);
        let svg = confusion("row", &names, &[]);
        assert_well_formed(&svg);
        assert!(names.iter().all(|name| svg.matches(&format!(">\n{name}\n<")).count() == 2), "{svg}");
        assert_eq!(svg.matches("rotate(270").count(), 4, "{svg}");
        assert!(svg.starts_with("<svg viewBox=\"0 0 364 "), "{svg}");
        assert!(!confusion("row", &["a", "b"].map(str::to_owned), &[]).contains("rotate"));
    }

    #[test]
    fn counts_are_means_over_seeds_with_their_share_of_the_class() {
        let names = ["<no>".to_owned(), "yes".to_owned()];
        let of =
            |probabilities: &[f64]| matrix(&Scored::binary(&[true, true, false], probabilities, 0.5).unwrap()).unwrap();
        let svg = confusion("row", &names, &[of(&[0.9, 0.1, 0.1]), of(&[0.9, 0.9, 0.1])]);
        assert_well_formed(&svg);
        assert!(svg.contains("yes: 0.5 as &lt;no&gt;, 1.5 as yes"), "{svg}");
        for part in [">\n1.5\n<", ">\n75 %\n<", ">\n100 %\n<", ">\n&lt;no&gt;\n<", "predicted"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        let many: Vec<String> = (0..20).map(|class| class.to_string()).collect();
        assert_well_formed(&confusion("row", &many, &[]));
    }
}
