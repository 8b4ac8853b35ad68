//! A phantom and the loop it becomes.

use echo_random::Stream;

use crate::acquisition::{Acquisition, Quality};
use crate::anatomy::{Anatomy, Chambers};
use crate::motion::{Deformation, Lattice, NodePoints, Pose, Walls};
use crate::physiology::Physiology;
use crate::population::interpolate;
use crate::scan::Scanner;
use crate::sector::FRAME_SIZE;
use crate::tracing::Tracing;
use crate::valves::leaflets;
use crate::ventricle::Contracted;
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

/// A rendered recording with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// Grey levels `[frames, FRAME_SIZE, FRAME_SIZE]`, row by row.
    pub frames: Vec<u8>,
    /// Frames a second.
    pub fps: u32,
    /// Size of a pixel, cm.
    pub cm_per_pixel: f64,
    /// The cavity when it is largest.
    pub end_diastole: Tracing,
    /// The cavity when it is smallest, later in the same beat.
    pub end_systole: Tracing,
}

impl Loop {
    /// Number of frames.
    pub fn frame_count(&self) -> usize {
        self.frames.len() / (FRAME_SIZE * FRAME_SIZE)
    }

    /// End-diastolic volume by the method of discs, ml.
    pub fn edv(&self) -> f64 {
        self.end_diastole.volume() * self.cm_per_pixel.powi(3)
    }

    /// End-systolic volume by the method of discs, ml.
    pub fn esv(&self) -> f64 {
        self.end_systole.volume() * self.cm_per_pixel.powi(3)
    }

    /// Ejection fraction, percent.
    pub fn ef(&self) -> f64 {
        100.0 * (1.0 - self.esv() / self.edv())
    }
}

impl Phantom {
    /// Draws phantom number `index` of `population`, recorded as in a clinic.
    ///
    /// # Errors
    /// When the population's target ejection fraction cannot be drawn.
    pub fn draw(seed: u64, index: u64, population: Population) -> Result<Self, PhantomError> {
        Self::draw_with(seed, index, population, Quality::Typical)
    }

    /// Draws phantom number `index` of `population`, recorded at `quality`.
    ///
    /// # Errors
    /// When the population's target ejection fraction cannot be drawn.
    pub fn draw_with(seed: u64, index: u64, population: Population, quality: Quality) -> Result<Self, PhantomError> {
        // Two streams: whatever the heart is, the recording is the same.
        Ok(Self {
            physiology: Physiology::draw(&mut Stream::new(seed, "phantom/physiology", index), population)?,
            acquisition: Acquisition::draw(&mut Stream::new(seed, "phantom/acquisition", index), quality),
            seed: Stream::new(seed, "phantom/frames", index).bits64(),
        })
    }

    /// The heart's state in every frame.
    fn moments(&self) -> Vec<Moment> {
        let heart = &self.physiology;
        let fps = f64::from(self.acquisition.fps);
        let curve = &heart.volume_curve;
        let longest = curve.period * (1.0 + heart.rate_variability);
        let frames = self.acquisition.frames.max((1.5 * longest * fps).ceil() as usize + 1);
        let contractions = heart.ventricle.contraction_table();

        let mut beats = Stream::new(self.seed, "phantom/beats", 0);
        let mut stretch = move || 1.0 + heart.rate_variability * beats.range(-1.0, 1.0);
        let mut scale = stretch();
        let mut started = -self.acquisition.start * curve.period * scale;
        let mut beat = 0;
        (0..frames)
            .map(|frame| {
                let time = frame as f64 / fps;
                while time - started >= curve.period * scale {
                    started += curve.period * scale;
                    scale = stretch();
                    beat += 1;
                }
                let within = (time - started) / scale;
                let filled = curve.filled(within);
                let contraction = interpolate(&contractions, filled);
                Moment { time, beat, filled, contraction, opening: curve.mitral_opening(within) }
            })
            .collect()
    }

    /// Frames of end-diastole and end-systole in the first beat that shows both.
    fn traced_frames(moments: &[Moment]) -> (usize, usize) {
        let full = |i: &usize| moments[*i].filled == 1.0 && moments[*i].opening == 0.0;
        let empty = |i: usize| moments[i].filled == 0.0;
        (0..moments.len())
            .filter(full)
            .find_map(|start| {
                let beat = moments[start].beat;
                let end = (start..moments.len()).take_while(|&i| moments[i].beat == beat).find(|&i| empty(i))?;
                Some((start, end))
            })
            .expect("1.5 beats hold a whole systole, and both isovolumic phases outlast a frame")
    }

    fn trace(&self, frame: usize, moment: &Moment) -> Tracing {
        let contracted: Contracted<'_> = self.physiology.ventricle.contracted(moment.contraction);
        let pose = Pose::at(&self.acquisition, &self.physiology, moment.time, moment.contraction);
        let sector = self.acquisition.sector();
        let pixel = |x: f64, level: f64| sector.pixel(pose.to_sector((x, level)));
        Tracing {
            frame,
            long_axis: [pixel(0.0, contracted.apex), pixel(0.0, contracted.annulus)],
            chords: contracted.discs().map(|(level, septal, lateral)| [pixel(-septal, level), pixel(lateral, level)]),
        }
    }

    /// The cavity at end-diastole and at end-systole, as [`Self::render`] gives them, without scanning anything.
    pub fn tracings(&self) -> [Tracing; 2] {
        self.traced(&self.moments())
    }

    fn traced(&self, moments: &[Moment]) -> [Tracing; 2] {
        let (diastole, systole) = Self::traced_frames(moments);
        [diastole, systole].map(|frame| self.trace(frame, &moments[frame]))
    }

    /// Scans the beating heart.
    pub fn render(&self) -> Loop {
        let sector = self.acquisition.sector();
        let chambers = Chambers::new(&self.physiology);
        let walls = Walls::new(&self.physiology, &chambers);
        let anatomy = Anatomy::new(&self.physiology, &self.acquisition);
        let mut scanner = Scanner::new(&self.acquisition);
        let points = NodePoints::new(&sector);
        let mut lattice = Lattice::new();
        let mut echoes = Vec::new();

        let moments = self.moments();
        let mut frames = vec![0; moments.len() * FRAME_SIZE * FRAME_SIZE];
        for (number, (moment, frame)) in
            moments.iter().zip(frames.chunks_exact_mut(FRAME_SIZE * FRAME_SIZE)).enumerate()
        {
            let pose = Pose::at(&self.acquisition, &self.physiology, moment.time, moment.contraction);
            let deformation = Deformation::new(&walls, moment.contraction);
            lattice.fill(&deformation, pose, &points);
            leaflets(&self.physiology, &chambers, &deformation, moment.opening, &mut echoes);
            let noise = Stream::new(self.seed, "phantom/noise", number as u64).bits64();
            let extra_gain = self.acquisition.gain_at(moment.time);
            scanner.scan(&anatomy, &lattice, (&echoes, pose), noise, extra_gain, frame);
        }

        let [end_diastole, end_systole] = self.traced(&moments);
        Loop { frames, fps: self.acquisition.fps, cm_per_pixel: sector.cm_per_pixel(), end_diastole, end_systole }
    }
}

/// The heart's state in one frame.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// Seconds from the start.
    time: f64,
    beat: usize,
    filled: f64,
    contraction: f64,
    opening: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sector::{BEAMS, SAMPLES, Sector};
    use crate::ventricle::Side;

    /// Counts the places that the scanner takes for left-ventricular cavity, in slices across the long axis.
    fn drawn_volume(phantom: &Phantom, frame: usize) -> f64 {
        const STEP: f64 = 0.02;
        let moment = phantom.moments()[frame];
        let heart = &phantom.physiology;
        let chambers = Chambers::new(heart);
        let walls = Walls::new(heart, &chambers);
        let deformation = Deformation::new(&walls, moment.contraction);
        let pose = Pose::at(&phantom.acquisition, heart, moment.time, moment.contraction);
        let sector: Sector = phantom.acquisition.sector();
        let mut lattice = Lattice::new();
        lattice.fill(&deformation, pose, &NodePoints::new(&sector));
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
        for (index, ef) in [12.0, 27.0, 41.0, 55.0, 58.0, 63.0, 70.0, 79.0].into_iter().enumerate() {
            let phantom = Phantom::draw(11, index as u64, Population::Target(ef)).unwrap();
            let moments = phantom.moments();
            let (diastole, systole) = Phantom::traced_frames(&moments);
            let scale = phantom.acquisition.sector().cm_per_pixel().powi(3);
            let traced = |frame: usize| phantom.trace(frame, &moments[frame]).volume() * scale;
            let label = 100.0 * (1.0 - traced(systole) / traced(diastole));
            let (edv, esv) = (drawn_volume(&phantom, diastole), drawn_volume(&phantom, systole));
            let drawn = 100.0 * (1.0 - esv / edv);
            assert!((label - ef).abs() < 0.01, "asked for {ef}, labelled {label}");
            assert!((drawn - label).abs() < 1.0, "labelled {label}, drawn {drawn}");
            assert!((edv / traced(diastole) - 1.0).abs() < 0.02, "{edv}");
        }
    }

    #[test]
    fn the_heart_does_not_change_the_recording() {
        let [failing, healthy] = [20.0, 65.0].map(|ef| Phantom::draw(3, 9, Population::Target(ef)).unwrap());
        assert_eq!(failing.acquisition, healthy.acquisition);
        assert_eq!(failing.physiology.heart_rate, healthy.physiology.heart_rate);
    }

    #[test]
    fn recordings_last_one_and_a_half_beats_and_trace_one_of_them() {
        for index in 0..300 {
            let phantom = Phantom::draw(5, index, Population::Natural).unwrap();
            let moments = phantom.moments();
            let seconds = moments.len() as f64 / f64::from(phantom.acquisition.fps);
            assert!(seconds >= 1.5 * phantom.physiology.volume_curve.period, "{index}");
            let (diastole, systole) = Phantom::traced_frames(&moments);
            assert_eq!((moments[diastole].filled, moments[systole].filled), (1.0, 0.0));
            assert!(diastole < systole && moments[diastole].beat == moments[systole].beat);
        }
    }

    /// What the sector cuts off cannot be measured.
    #[test]
    fn the_cavity_lies_inside_the_sector() {
        let mut cut = 0;
        for index in 0..400 {
            let phantom = Phantom::draw(5, index, Population::Natural).unwrap();
            let moments = phantom.moments();
            let (diastole, _) = Phantom::traced_frames(&moments);
            let sector = phantom.acquisition.sector();
            let outside = phantom.trace(diastole, &moments[diastole]).lines().flatten().any(|(x, y)| {
                let scale = sector.cm_per_pixel();
                let (sample, beam) = sector.sample_and_beam(((x - sector.apex.0) * scale, (y - sector.apex.1) * scale));
                !(0.0..=(SAMPLES - 1) as f64).contains(&sample) || !(0.0..=(BEAMS - 1) as f64).contains(&beam)
            });
            cut += usize::from(outside);
        }
        // One in fifty: sonographers cut off a bit of wall, too.
        assert!(cut <= 8, "{cut} of 400");
    }

    #[test]
    fn rendering_is_a_function_of_the_phantom() {
        let mut phantom = Phantom::draw(5, 1, Population::Natural).unwrap();
        phantom.acquisition.frames = 40;
        let (a, b) = (phantom.render(), phantom.render());
        assert_eq!(a, b);
        assert_eq!([&a.end_diastole, &a.end_systole], phantom.tracings().each_ref());
        assert_ne!(a.frames, Phantom { seed: phantom.seed + 1, ..phantom }.render().frames);
    }
}
