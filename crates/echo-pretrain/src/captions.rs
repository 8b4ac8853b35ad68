//! Captions: what a reader could say of a loop, in our own words.
//!
//! A caption is one to three sentences in any order. One of them always says the ejection fraction in whole percent,
//! most often in the words of the prompts that it will be asked with; the others are drawn from what else is known.

use echo_core::{RankSpec, TextEncoder};
use echo_phantom::{ChamberSize, Findings, Gain, View, WallMotion, Window};
use echo_random::Stream;

use crate::PretrainError;

/// Where a number goes in a template.
pub(crate) const PLACE: &str = "<#>";

/// Ways of saying the ejection fraction beside the templates that a caption writer is given.
const EF_WORDS: [&str; 6] = [
    "EF <#> percent.",
    "the left ventricle ejects <#> percent of its blood with every beat.",
    "LVEF around <#>%.",
    "measured ejection fraction: <#> percent.",
    "with each beat <#>% of the volume leaves the left ventricle.",
    "ejection fraction by the method of discs <#>%.",
];

/// Ways of saying the left ventricle's volume in ml at its fullest and at its emptiest.
pub(crate) const EDV_WORDS: [&str; 3] =
    ["the cavity holds <#> ml at its fullest.", "end-diastolic volume <#> ml.", "EDV <#> ml."];
pub(crate) const ESV_WORDS: [&str; 3] =
    ["the cavity holds <#> ml at its emptiest.", "end-systolic volume <#> ml.", "ESV <#> ml."];

/// Ways of saying, of one frame, how broad the cavity is in percent of the picture's width, and how much of the stroke
/// volume is in it in percent.
pub(crate) const BREADTH_WORDS: [&str; 2] =
    ["the cavity is <#> percent as broad as the picture.", "cavity breadth now <#>%."];
pub(crate) const FILLED_WORDS: [&str; 2] =
    ["<#> percent of the next stroke is in the ventricle.", "the ventricle is <#>% filled now."];

/// Ways of saying which view is shown.
pub(crate) fn view_words(view: View) -> [&'static str; 3] {
    match view {
        View::A4c => ["apical four-chamber view.", "seen from the apex with all four chambers.", "A4C."],
        View::A2c => ["apical two-chamber view.", "seen from the apex with two chambers.", "A2C."],
        View::A3c => ["apical three-chamber view.", "seen from the apex with left atrium and aortic root.", "A3C."],
        View::A5c => ["apical five-chamber view.", "four chambers and the aortic root between the atria.", "A5C."],
        View::Plax => ["parasternal long-axis view.", "seen along the left ventricle from the breastbone.", "PLAX."],
        View::PsaxMv => [
            "parasternal short-axis view at the mitral valve.",
            "a ring around the lips of the mitral valve.",
            "PSAX-MV.",
        ],
        View::PsaxPm => {
            ["parasternal short-axis view at the papillary muscles.", "a ring with two papillary muscles.", "PSAX-PM."]
        }
        View::PsaxAp => ["parasternal short-axis view at the apex.", "a small ring around the tip.", "PSAX-AP."],
        View::Sc4c => ["subcostal four-chamber view.", "four chambers on their side, through the liver.", "SC4C."],
    }
}

/// Share of captions that say the ejection fraction in the words of the given templates.
const GIVEN_SHARE: f64 = 0.65;

/// Writes captions.
#[derive(Clone, Debug)]
pub struct Captions {
    templates: Vec<String>,
    ranks: RankSpec,
}

impl Captions {
    /// A writer that knows `templates` for the ejection fraction, with [`PLACE`] where the number goes, and the prompts
    /// of its ranks.
    ///
    /// # Errors
    /// No template, or one without a place for the number.
    pub fn new(templates: Vec<String>, ranks: RankSpec) -> Result<Self, PretrainError> {
        match templates.iter().find(|template| !template.contains(PLACE)) {
            Some(template) => Err(PretrainError::Setting(format!("template {template:?} lacks {PLACE}"))),
            None if templates.is_empty() => Err(PretrainError::Setting("there are no templates".to_owned())),
            None => Ok(Self { templates, ranks }),
        }
    }

    /// The templates for the ejection fraction.
    pub fn templates(&self) -> &[String] {
        &self.templates
    }

    /// All wordings of the ejection fraction, the given templates first.
    pub(crate) fn wordings(&self) -> Vec<String> {
        self.templates.iter().cloned().chain(EF_WORDS.map(str::to_owned)).collect()
    }

    /// A caption for a loop with these findings: a pure function of them and of the stream.
    pub fn write(&self, findings: &Findings, stream: &mut Stream) -> String {
        self.sentences(findings, stream).0.join(" ")
    }

    /// The same with as many sentences as `text` takes, the one with the ejection fraction last to be left out.
    ///
    /// # Errors
    /// Not even one sentence fits.
    pub fn write_for(
        &self,
        findings: &Findings,
        stream: &mut Stream,
        text: &dyn TextEncoder,
    ) -> Result<(String, Vec<u32>), PretrainError> {
        let (mut sentences, mut ef) = self.sentences(findings, stream);
        loop {
            let caption = sentences.join(" ");
            match text.tokenize(&caption) {
                Ok(ids) => return Ok((caption, ids)),
                Err(error) if sentences.len() == 1 => return Err(error.into()),
                Err(_) => {
                    let last = sentences.len() - 1;
                    let left_out = if ef == last { 0 } else { last };
                    sentences.remove(left_out);
                    ef -= usize::from(left_out < ef);
                }
            }
        }
    }

    /// Sentences, and which of them says the ejection fraction.
    fn sentences(&self, findings: &Findings, stream: &mut Stream) -> (Vec<String>, usize) {
        let ef = if stream.uniform() < GIVEN_SHARE {
            self.templates[stream.below(self.templates.len())].as_str()
        } else {
            EF_WORDS[stream.below(EF_WORDS.len())]
        };
        let ef = ef.replace(PLACE, &format!("{:.0}", findings.ef));
        let mut others = self.others(findings, stream);
        stream.shuffle(&mut others);
        let count = stream.below(3);
        let mut sentences: Vec<String> = others.into_iter().take(count).collect();
        let place = stream.below(sentences.len() + 1);
        sentences.insert(place, ef);
        (sentences, place)
    }

    /// One way each of saying what is known beside the ejection fraction.
    fn others(&self, findings: &Findings, stream: &mut Stream) -> Vec<String> {
        let mut pick = |ways: &[&str]| ways[stream.below(ways.len())].to_owned();
        let ml = |volume: f64| format!("{volume:.0}");
        let (edv, esv) = (ml(findings.edv), ml(findings.esv));
        let mut sentences = vec![
            format!("{}.", self.ranks.ranks[self.ranks.rank_of(findings.ef as f32)].prompt),
            pick(&EDV_WORDS).replace(PLACE, &edv),
            pick(&ESV_WORDS).replace(PLACE, &esv),
            pick(&["<d> ml in diastole and <s> ml in systole.", "volumes: <d> ml full, <s> ml empty."])
                .replace("<d>", &edv)
                .replace("<s>", &esv),
            pick(&view_words(findings.view)),
            match findings.gain {
                Gain::Low => pick(&["the gain is low.", "a dark picture."]),
                Gain::Normal => pick(&["the gain is right.", "an evenly lit picture."]),
                Gain::High => pick(&["the gain is high.", "an overly bright picture."]),
            },
            match findings.window {
                Window::Good => pick(&["good acoustic window.", "clear pictures."]),
                Window::Fair => pick(&["fair acoustic window.", "pictures of middling quality."]),
                Window::Poor => pick(&["poor acoustic window.", "much of the heart is hard to see."]),
            },
        ];
        let chambers = [
            ("left ventricle", Some(findings.left_ventricle)),
            ("left atrium", findings.left_atrium),
            ("right ventricle", findings.right_ventricle),
            ("right atrium", findings.right_atrium),
        ];
        for (name, chamber) in chambers.into_iter().filter_map(|(name, chamber)| Some((name, chamber?))) {
            let words = match chamber.size {
                ChamberSize::Normal => pick(&["the <c> is of normal size.", "<c> not dilated."]),
                ChamberSize::MildlyDilated => pick(&["the <c> is a little too large.", "<c> mildly dilated."]),
                ChamberSize::SeverelyDilated => pick(&["the <c> is far too large.", "<c> severely dilated."]),
            };
            sentences.push(words.replace("<c>", name));
        }
        for &(wall, motion) in &findings.walls {
            let words = match motion {
                WallMotion::Normal => pick(&["the <w> wall moves normally.", "<w> wall with normal motion."]),
                WallMotion::Hypokinetic => pick(&["the <w> wall moves too little.", "<w> wall hypokinetic."]),
                WallMotion::Akinetic => pick(&["the <w> wall hardly moves at all.", "<w> wall akinetic."]),
            };
            sentences.push(words.replace("<w>", wall.name()));
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use echo_core::Rank;
    use echo_phantom::{Phantom, Purpose};

    use super::*;

    fn captions() -> Captions {
        let rank = |up_to, prompt: &str| Rank { up_to, value: 50.0, prompt: prompt.to_owned() };
        let ranks = RankSpec { ranks: vec![rank(45, "it contracts weakly"), rank(100, "it contracts well")] };
        Captions::new(vec!["the ejection fraction is <#> percent.".to_owned()], ranks).unwrap()
    }

    fn many(count: u64) -> Vec<(f64, String)> {
        let findings = |number| Phantom::of(3, Purpose::Pretraining, number).unwrap().findings();
        (0..count)
            .map(|index| {
                let findings = findings(index as u32 % 40);
                (findings.ef, captions().write(&findings, &mut Stream::new(1, "test/captions", index)))
            })
            .collect()
    }

    #[test]
    fn captions_follow_the_stream_and_vary() {
        let found = many(400);
        assert_eq!(found, many(400));
        let different: HashSet<&String> = found.iter().map(|(_, caption)| caption).collect();
        assert!(different.len() > 300, "{}", different.len());
        let given = found.iter().filter(|(_, caption)| caption.contains("the ejection fraction is")).count();
        assert!((200..330).contains(&given), "{given} of 400 in the words of the template");
        let sentences: HashSet<usize> = found.iter().map(|(_, caption)| caption.matches(['.', ':']).count()).collect();
        assert!(sentences.len() >= 3, "{sentences:?}");
    }

    #[test]
    fn every_caption_says_the_whole_ejection_fraction() {
        for (ef, caption) in many(400) {
            let whole = format!("{ef:.0}");
            let numbers: Vec<&str> = caption.split(|c: char| !c.is_ascii_digit()).collect();
            assert!(numbers.contains(&whole.as_str()), "{ef}: {caption}");
            assert!(!caption.contains(['<', '>', '#']), "{caption}");
        }
    }

    #[test]
    fn templates_without_a_place_are_refused() {
        let ranks = captions().ranks;
        assert!(Captions::new(vec!["EF".to_owned()], ranks.clone()).unwrap_err().to_string().contains("\"EF\""));
        assert!(Captions::new(Vec::new(), ranks).is_err());
    }
}
