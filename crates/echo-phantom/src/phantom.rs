//! A phantom and the loop it becomes.

use echo_random::Stream;
use serde::{Deserialize, Serialize};

use crate::acquisition::{Acquisition, Quality};
use crate::anatomy::Anatomy;
use crate::beats::{Moment, moments, traced_frames};
use crate::cut::{Cut, traced};
use crate::findings::{Cavity, Findings};
use crate::lattice::{Lattice, NodePoints};
use crate::physiology::Physiology;
use crate::pose::Pose;
use crate::purpose::Purpose;
use crate::scan::Scanner;
use crate::sector::FRAME_SIZE;
use crate::site::Site;
use crate::tracing::{Line, Tracing};
use crate::video::Loop;
use crate::view::Views;
use crate::{PhantomError, Population};

/// Everything that determines one loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Phantom {
    /// The heart.
    pub physiology: Physiology,
    /// How it was scanned.
    pub acquisition: Acquisition,
    /// Seed of what differs from frame to frame and from beat to beat.
    pub seed: u64,
}

/// Pixels of a frame.
pub(crate) const PIXELS: usize = FRAME_SIZE * FRAME_SIZE;

/// How hearts are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The views to draw from.
    pub views: Views,
    /// How good recordings are.
    pub quality: Quality,
    /// Where they are made.
    pub site: Site,
}

impl Phantom {
    /// Draws phantom `number` of a purpose, with that purpose's patients and recordings, in both views.
    ///
    /// # Errors
    /// None in practice: the purposes' ejection fractions can all be drawn.
    pub fn of(seed: u64, purpose: Purpose, number: u32) -> Result<Self, PhantomError> {
        Self::of_with(seed, purpose, number, Setting::default())
    }

    /// Draws phantom `number` of a purpose, recorded as `setting` says.
    ///
    /// # Errors
    /// None in practice: the purposes' ejection fractions can all be drawn.
    pub fn of_with(seed: u64, purpose: Purpose, number: u32, setting: Setting) -> Result<Self, PhantomError> {
        let site = setting.site;
        Self::draw_with(seed, site.index(purpose.index(number)), purpose.population(seed, number, site), setting)
    }

    /// Draws phantom number `index` of `population`, recorded as in a clinic.
    ///
    /// # Errors
    /// When the population's target ejection fraction cannot be drawn.
    pub fn draw(seed: u64, index: u64, population: Population) -> Result<Self, PhantomError> {
        Self::draw_with(seed, index, population, Setting::default())
    }

    /// Draws phantom number `index` of `population`, recorded as `setting` says.
    ///
    /// # Errors
    /// When the population's target ejection fraction cannot be drawn.
    pub fn draw_with(seed: u64, index: u64, population: Population, setting: Setting) -> Result<Self, PhantomError> {
        // Two streams: whatever the heart is, the recording is the same.
        let acquisition = Acquisition::draw(&mut Stream::new(seed, "phantom/acquisition", index), setting);
        let mut heart = Stream::new(seed, "phantom/physiology", index);
        Ok(Self {
            physiology: Physiology::draw(&mut heart, population, acquisition.plane)?,
            acquisition,
            seed: Stream::new(seed, "phantom/frames", index).bits64(),
        })
    }

    /// Number of frames that [`Self::render`] makes.
    pub fn frame_count(&self) -> usize {
        moments(self).len()
    }

    /// The cavity at end-diastole and at end-systole, as [`Self::render`] gives them, without scanning anything.
    pub fn tracings(&self) -> [Tracing; 2] {
        self.traced(&moments(self))
    }

    /// What can be said about the loop, as [`Self::render`] gives it, without scanning anything.
    pub fn findings(&self) -> Findings {
        Findings::new(self, &self.tracings())
    }

    /// The cavity in every frame that [`Self::render`] makes, without scanning anything.
    pub fn cavities(&self) -> Vec<Cavity> {
        let moments = moments(self);
        let Findings { edv, esv, .. } = Findings::new(self, &self.traced(&moments));
        let width = FRAME_SIZE as f64 * self.acquisition.sector().cm_per_pixel();
        let cavity = |moment: &Moment| {
            let volume = esv + (edv - esv) * moment.filled;
            let diameter = (6.0 / std::f64::consts::PI * volume).cbrt();
            Cavity { volume, filled: moment.filled, breadth: diameter / width }
        };
        moments.iter().map(cavity).collect()
    }

    fn traced(&self, moments: &[Moment]) -> [Tracing; 2] {
        let (diastole, systole) = traced_frames(moments);
        [diastole, systole].map(|frame| self.trace(frame, &moments[frame]))
    }

    fn trace(&self, frame: usize, moment: &Moment) -> Tracing {
        let (axis, chords) = traced(&self.physiology, moment.contraction);
        let pose = Pose::at(&self.acquisition, &self.physiology, moment.time, moment.contraction);
        let sector = self.acquisition.sector();
        let pixels = |line: Line| line.map(|place| sector.pixel(pose.to_sector(place)));
        let tracing = Tracing { frame, long_axis: pixels(axis), chords: chords.map(pixels) };
        if self.acquisition.mirrored { tracing.mirrored() } else { tracing }
    }

    /// Scans the beating heart.
    pub fn render(&self) -> Loop {
        let moments = moments(self);
        let [end_diastole, end_systole] = self.traced(&moments);
        let findings = Findings::new(self, &[end_diastole.clone(), end_systole.clone()]);
        let frames = self.scan(&moments, 0..moments.len());
        let cm_per_pixel = self.acquisition.sector().cm_per_pixel();
        Loop { frames, fps: self.acquisition.fps, cm_per_pixel, end_diastole, end_systole, findings }
    }

    /// Some frames of the loop that [`Self::render`] makes, `[which, FRAME_SIZE, FRAME_SIZE]`: for those who need a clip
    /// of it, at a part of the time.
    ///
    /// # Panics
    /// When a frame is not below [`Self::frame_count`].
    pub fn render_frames(&self, which: &[usize]) -> Vec<u8> {
        self.scan(&moments(self), which.iter().copied())
    }

    /// The picture along one beam in every frame, as M-mode shows it.
    pub(crate) fn beam_over_time(&self, beam: usize) -> Vec<Vec<u8>> {
        let moments = moments(self);
        let mut columns = Vec::with_capacity(moments.len());
        self.scan_each(&moments, 0..moments.len(), |scanner| columns.push(scanner.beam(beam).collect()));
        columns
    }

    fn scan(&self, moments: &[Moment], which: impl ExactSizeIterator<Item = usize>) -> Vec<u8> {
        let mut frames = vec![0; which.len() * PIXELS];
        let mut places = frames.chunks_exact_mut(PIXELS);
        self.scan_each(moments, which, |scanner| {
            let Some(frame) = places.next() else { return };
            scanner.picture(frame);
            if self.acquisition.mirrored {
                frame.chunks_exact_mut(FRAME_SIZE).for_each(<[u8]>::reverse);
            }
        });
        frames
    }

    fn scan_each(&self, moments: &[Moment], which: impl Iterator<Item = usize>, mut scanned: impl FnMut(&Scanner)) {
        let cut = Cut::new(&self.physiology);
        let anatomy = Anatomy::new(&cut, &self.physiology, &self.acquisition);
        let mut scanner = Scanner::new(&self.acquisition);
        let points = NodePoints::new(&self.acquisition.sector());
        let mut lattice = Lattice::new();
        let mut echoes = Vec::new();
        for number in which {
            let moment = &moments[number];
            let pose = Pose::at(&self.acquisition, &self.physiology, moment.time, moment.contraction);
            let contracted = cut.contracted(moment.contraction);
            lattice.fill(|place| contracted.reference(place), pose, &points);
            contracted.leaflets(moment, &mut echoes);
            let noise = Stream::new(self.seed, "phantom/noise", number as u64).bits64();
            let extra_gain = self.acquisition.gain_at(moment.time);
            scanner.scan(&anatomy, &lattice, (&echoes, pose), noise, extra_gain);
            scanned(&scanner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sector::{BEAMS, SAMPLES, Sector};
    use crate::ventricle::Side;
    use crate::view::View;

    /// Counts the places that the scanner takes for left-ventricular cavity, in slices across the long axis.
    fn drawn_volume(phantom: &Phantom, frame: usize) -> f64 {
        const STEP: f64 = 0.02;
        let moment = moments(phantom)[frame];
        let heart = &phantom.physiology;
        let cut = Cut::new(heart);
        let contracted = cut.contracted(moment.contraction);
        let pose = Pose::at(&phantom.acquisition, heart, moment.time, moment.contraction);
        let sector: Sector = phantom.acquisition.sector();
        let mut lattice = Lattice::new();
        lattice.fill(|place| contracted.reference(place), pose, &NodePoints::new(&sector));
        let mut rows = vec![[Default::default(); BEAMS]; SAMPLES];
        rows.iter_mut().enumerate().for_each(|(sample, row)| lattice.row(sample, row));

        let is_cavity = |x: f64, level: f64| {
            let (sample, beam) = sector.sample_and_beam(pose.to_sector((x, level)));
            // Between the outermost sample and the edge of the sector the nearest samples are continued.
            let (i, j) =
                (sample.clamp(0.0, (SAMPLES - 2) as f64) as usize, beam.clamp(0.0, (BEAMS - 2) as f64) as usize);
            let (u, v) = (sample - i as f64, beam - j as f64);
            let at = |i: usize, j: usize| rows[i][j].place();
            let mix = |part: fn((f64, f64)) -> f64| {
                (1.0 - u) * ((1.0 - v) * part(at(i, j)) + v * part(at(i, j + 1)))
                    + u * ((1.0 - v) * part(at(i + 1, j)) + v * part(at(i + 1, j + 1)))
            };
            let (x_then, level_then) = (mix(|place| place.0), mix(|place| place.1));
            let half_width = heart.ventricle.relaxed_half_width(Side::of(x_then), level_then);
            (0.0..heart.ventricle.length).contains(&level_then) && x_then.abs() < half_width
        };
        let levels = (-1.0 / STEP) as i32..(13.0 / STEP) as i32;
        levels
            .map(|row| {
                let level = f64::from(row) * STEP;
                let reach = (5.0 / STEP) as i32;
                let count = (-reach..reach).filter(|&column| is_cavity(f64::from(column) * STEP, level)).count();
                let width = count as f64 * STEP;
                std::f64::consts::FRAC_PI_4 * width * width * STEP
            })
            .sum()
    }

    /// Fails when the label is not what is drawn: for instance when the map and the contour disagree.
    #[test]
    fn labels_agree_with_the_drawn_cavity() {
        let efs = [12.0, 27.0, 34.0, 41.0, 48.0, 55.0, 58.0, 63.0, 70.0, 79.0];
        let usual = efs.into_iter().flat_map(|ef| [(ef, View::A4c), (ef, View::A2c)]);
        // Parasternal views cut off the apex.
        let others = [View::A3c, View::A5c, View::Sc4c].into_iter().flat_map(|view| [(35.0, view), (60.0, view)]);
        for (index, (ef, view)) in usual.chain(others).enumerate() {
            let setting = Setting { views: Views::Only(view), ..Setting::default() };
            let phantom = Phantom::draw_with(11, index as u64, Population::Target(ef), setting).unwrap();
            let findings = phantom.findings();
            let (diastole, systole) = traced_frames(&moments(&phantom));
            let (edv, esv) = (drawn_volume(&phantom, diastole), drawn_volume(&phantom, systole));
            let drawn = 100.0 * (1.0 - esv / edv);
            assert!((findings.ef - ef).abs() < 0.01, "asked for {ef}, labelled {}", findings.ef);
            // Vigorous ventricles are a few pixels wide at end-systole.
            let tolerance = if ef > 70.0 { 1.0 } else { 0.6 };
            assert!((drawn - findings.ef).abs() < tolerance, "drawn {drawn}: {findings:?}");
            assert!((edv / findings.edv - 1.0).abs() < 0.02, "{edv}");
        }
    }

    /// What is said of single frames is what is traced and drawn in them.
    #[test]
    fn cavities_have_the_traced_volumes() {
        for index in 0..40 {
            let phantom = Phantom::draw(12, index, Population::Natural).unwrap();
            let (cavities, findings) = (phantom.cavities(), phantom.findings());
            assert_eq!(cavities.len(), phantom.frame_count());
            for (tracing, volume) in phantom.tracings().into_iter().zip([findings.edv, findings.esv]) {
                let cavity = cavities[tracing.frame];
                assert!((cavity.volume - volume).abs() < 1e-9, "{index}");
                let pixels = FRAME_SIZE as f64 * cavity.breadth;
                let ball = std::f64::consts::PI / 6.0 * pixels.powi(3);
                assert!((ball / tracing.volume() - 1.0).abs() < 1e-9, "{index}");
            }
            // Between them the drawn contour has the volume too.
            let (middle, moments) = (phantom.frame_count() / 3, moments(&phantom));
            let drawn = phantom.physiology.ventricle.contracted(moments[middle].contraction).volume();
            assert!((cavities[middle].volume / drawn - 1.0).abs() < 0.01, "{index}: {drawn} {:?}", cavities[middle]);
        }
    }

    #[test]
    fn the_heart_does_not_change_the_recording() {
        let [failing, healthy] = [20.0, 65.0].map(|ef| Phantom::draw(3, 9, Population::Target(ef)).unwrap());
        assert_eq!(failing.acquisition, healthy.acquisition);
        assert_eq!(failing.physiology.heart_rate, healthy.physiology.heart_rate);
    }

    /// What the sector cuts off cannot be measured.
    #[test]
    fn the_cavity_lies_inside_the_sector() {
        for site in [Site::Home, Site::New] {
            cavities_lie_inside_the_sector(site);
        }
    }

    fn cavities_lie_inside_the_sector(site: Site) {
        let setting = Setting { site, ..Setting::default() };
        let mut cut = 0;
        for index in 0..400 {
            let mut phantom = Phantom::draw_with(5, index, site.patients(), setting).unwrap();
            phantom.acquisition.mirrored = false;
            let sector = phantom.acquisition.sector();
            let [diastole, _] = phantom.tracings();
            let outside = diastole.lines().flatten().any(|(x, y)| {
                let scale = sector.cm_per_pixel();
                let (sample, beam) = sector.sample_and_beam(((x - sector.apex.0) * scale, (y - sector.apex.1) * scale));
                !(0.0..=(SAMPLES - 1) as f64).contains(&sample) || !(0.0..=(BEAMS - 1) as f64).contains(&beam)
            });
            cut += usize::from(outside);
        }
        // One in fifty: sonographers cut off a bit of wall, too.
        assert!(cut <= 8, "{cut} of 400 at {}", site.name());
    }

    /// Tracings go with the picture, and volumes do not change.
    #[test]
    fn a_mirrored_loop_is_the_same_with_left_and_right_exchanged() {
        let phantom = Phantom::of(1, Purpose::Test, 3).unwrap();
        let mut mirrored = phantom.clone();
        mirrored.acquisition.mirrored = true;
        let [there, here] = [&phantom, &mirrored].map(|phantom| phantom.render_frames(&[4]));
        let exchanged: Vec<u8> = there.chunks_exact(FRAME_SIZE).flat_map(|row| row.iter().rev().copied()).collect();
        assert!(here == exchanged && here != there);
        for (there, here) in phantom.tracings().iter().zip(&mirrored.tracings()) {
            assert!((there.volume() - here.volume()).abs() < 1e-9);
            let last = (FRAME_SIZE - 1) as f64;
            assert_eq!(here.long_axis[0].0, last - there.long_axis[0].0);
            assert!(here.chords.iter().all(|[left, right]| left.0 < right.0));
            assert_eq!(here.chords[7][0].0, last - there.chords[7][1].0);
        }
    }

    #[test]
    fn rendering_is_a_function_of_the_phantom() {
        let mut phantom = Phantom::draw(5, 1, Population::Natural).unwrap();
        phantom.acquisition.frames = 40;
        let (a, b) = (phantom.render(), phantom.render());
        assert_eq!(a, b);
        assert_eq!([&a.end_diastole, &a.end_systole], phantom.tracings().each_ref());
        assert_eq!((&a.findings, a.frame_count()), (&phantom.findings(), phantom.frame_count()));
        assert_ne!(a.frames, Phantom { seed: phantom.seed + 1, ..phantom }.render().frames);
    }

    #[test]
    fn some_frames_are_those_of_the_whole_loop() {
        let phantom = Phantom::of(1, Purpose::Pretraining, 3).unwrap();
        let whole = phantom.render().frames;
        let which = [20, 0, 7];
        let some = phantom.render_frames(&which);
        let pixels = FRAME_SIZE * FRAME_SIZE;
        for (frame, number) in some.chunks_exact(pixels).zip(which) {
            assert!(frame == &whole[number * pixels..(number + 1) * pixels], "{number}");
        }
    }
}
