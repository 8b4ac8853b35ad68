//! A phantom and the loop it becomes.

use echo_random::Stream;

use crate::acquisition::{Acquisition, Quality};
use crate::anatomy::{Anatomy, Chambers};
use crate::motion::{Deformation, Lattice, NodePoints, Pose};
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

    /// Scans the beating heart.
    pub fn render(&self) -> Loop {
        let sector = self.acquisition.sector();
        let chambers = Chambers::new(&self.physiology);
        let anatomy = Anatomy::new(&self.physiology, &self.acquisition);
        let mut scanner = Scanner::new(&self.acquisition);
        let points = NodePoints::new(&sector);
        let mut lattice = Lattice::new();
        let mut echoes = Vec::new();

        let moments = self.moments();
        let mut frames = vec![0; moments.len() * FRAME_SIZE * FRAME_SIZE];
        for (number, (moment, frame)) in moments.iter().zip(frames.chunks_exact_mut(FRAME_SIZE * FRAME_SIZE)).enumerate() {
            let pose = Pose::at(&self.acquisition, &self.physiology, moment.time, moment.contraction);
            let deformation = Deformation::new(&self.physiology, &chambers, moment.contraction);
            lattice.fill(&deformation, pose, &points);
            leaflets(&self.physiology, &chambers, &deformation, moment.opening, &mut echoes);
            let noise = Stream::new(self.seed, "phantom/noise", number as u64).bits64();
            let extra_gain = self.acquisition.gain_at(moment.time);
            scanner.scan(&anatomy, &lattice, (&echoes, pose), noise, extra_gain, frame);
        }

        let (diastole, systole) = Self::traced_frames(&moments);
        Loop {
            frames,
            fps: self.acquisition.fps,
            cm_per_pixel: sector.cm_per_pixel(),
            end_diastole: self.trace(diastole, &moments[diastole]),
            end_systole: self.trace(systole, &moments[systole]),
        }
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
