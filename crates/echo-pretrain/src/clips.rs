//! A stream of clips that no benchmark uses, rendered by threads of their own while training runs.
//!
//! What a batch holds is a function of its number alone. Thread `t` of `n` renders batches `t`, `t + n`, ... into a
//! short queue of its own, and the reader takes from the queues in turn, so that the order does not depend on them.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use burn::tensor::{Device, Tensor, TensorData};
use echo_core::ClipSpec;
use echo_data::{Shift, Start, prepare_shifted, select_frames};
use echo_phantom::{Cavity, DatasetSpec, FRAME_SIZE, Findings, Phantom, Purpose, Setting, Site};
use echo_random::Stream;
use echo_video::Frames;
use serde::{Deserialize, Serialize};

use crate::PretrainError;
use crate::pictures::{PICTURE_SIZE, Picture};

/// Batches that wait in each thread's queue.
const WAITING: usize = 2;

/// What clips show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// Beating hearts in two apical views.
    Phantoms,
    /// Beating hearts in all standard views, by quality of the picture.
    Views,
    /// Shapes before textures, one frame each: for an encoder that is to know no heart.
    Pictures,
    /// The same, moving.
    Movements,
}

impl Subject {
    /// How phantoms are recorded.
    fn setting(self) -> Setting {
        match self {
            Self::Views => DatasetSpec::standard_views(Site::Home, 0).setting,
            Self::Phantoms | Self::Pictures | Self::Movements => Setting::default(),
        }
    }
}

/// Which clips.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipSource {
    /// What they show.
    pub subject: Subject,
    /// Seed of what they show and of what is seen of it.
    pub seed: u64,
    /// What they are for.
    pub purpose: Purpose,
    /// What the encoder wants to see.
    pub spec: ClipSpec,
    /// Whether clips begin anywhere and are moved by up to this many pixels; otherwise they begin at the first frame. Pictures
    /// lie anywhere as they are.
    pub shift: Option<u32>,
    /// Clips in a batch.
    pub batch: usize,
}

/// Clips with what is known about them.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipBatch {
    /// `[batch, 3, frames, size, size]`
    data: Vec<f32>,
    shape: [usize; 5],
    /// One per clip of a phantom.
    pub findings: Vec<Findings>,
    /// One per frame of a phantom, clip after clip.
    pub cavities: Vec<Cavity>,
    /// One per clip of a picture.
    pub pictures: Vec<Picture>,
    /// The numbers of phantoms or pictures.
    pub numbers: Vec<u32>,
}

impl ClipBatch {
    /// `[batch, 3, frames, size, size]`
    pub fn clips(&self, device: &Device) -> Tensor<5> {
        Tensor::from_data(TensorData::new(self.data.clone(), self.shape), device)
    }
}

impl ClipSource {
    /// Batch number `index`.
    ///
    /// # Errors
    /// A phantom cannot be drawn, or the specification describes no clip.
    pub fn batch(&self, index: usize) -> Result<ClipBatch, PretrainError> {
        let mut batch = ClipBatch {
            data: Vec::new(),
            shape: [0; 5],
            findings: Vec::new(),
            cavities: Vec::new(),
            pictures: Vec::new(),
            numbers: Vec::new(),
        };
        for place in 0..self.batch {
            let number = u32::try_from(index * self.batch + place)
                .map_err(|_| PretrainError::Setting("more phantoms than there are numbers".to_owned()))?;
            match self.subject {
                Subject::Pictures => {
                    self.add_picture(&mut batch, number, 1)?;
                    continue;
                }
                Subject::Movements => {
                    self.add_picture(&mut batch, number, self.spec.frames)?;
                    continue;
                }
                Subject::Phantoms | Subject::Views => {}
            }
            let phantom = Phantom::of_with(self.seed, self.purpose, number, self.subject.setting())?;
            let [start, shift] = self.look(number);
            let look = match self.shift {
                None => (Start::First, Shift::default()),
                Some(_) => (Start::Random { seed: self.seed, video: start, draw: 0 }, self.moved(shift)),
            };
            let selection = select_frames(phantom.frame_count(), &self.spec, look.0);
            let grey = phantom.render_frames(&selection.frames);
            let frames = Frames {
                data: grey.iter().flat_map(|&value| [value; 3]).collect(),
                count: selection.frames.len(),
                height: FRAME_SIZE,
                width: FRAME_SIZE,
                fps: f64::from(phantom.acquisition.fps),
            };
            let clip = prepare_shifted(&frames, &self.spec, look.1)?;
            let shape = [self.batch, 3, clip.frames, clip.size, clip.size];
            if place > 0 && shape != batch.shape {
                return Err(PretrainError::Setting(format!("clips differ in length; padding {:?}", self.spec.padding)));
            }
            batch.shape = shape;
            batch.data.extend(clip.data);
            batch.findings.push(phantom.findings());
            // A video that is too short is continued by its last frame.
            let cavities = phantom.cavities();
            let last = selection.frames.last().copied();
            let shown = selection.frames.iter().copied().chain(std::iter::repeat_n(last, clip.frames).flatten());
            batch.cavities.extend(shown.take(clip.frames).map(|frame| cavities[frame]));
            batch.numbers.push(number);
        }
        Ok(batch)
    }

    fn add_picture(&self, batch: &mut ClipBatch, number: u32, count: usize) -> Result<(), PretrainError> {
        let of_purpose = format!("pretrain/picture/{}", self.purpose.name());
        let picture = Picture::draw(&mut Stream::new(self.seed, &of_purpose, u64::from(number)));
        let data = match count {
            1 => picture.render(),
            _ => (0..count).flat_map(|i| picture.at(i as f64 / (count - 1) as f64).render()).collect(),
        };
        let frames = Frames { data, count, height: PICTURE_SIZE, width: PICTURE_SIZE, fps: 1.0 };
        let spec = ClipSpec { frames: count, ..self.spec.clone() };
        let clip = prepare_shifted(&frames, &spec, Shift::default())?;
        batch.shape = [self.batch, 3, clip.frames, clip.size, clip.size];
        batch.data.extend(clip.data);
        batch.pictures.push(picture);
        batch.numbers.push(number);
        Ok(())
    }

    fn look(&self, number: u32) -> [u64; 2] {
        let mut stream = Stream::new(self.seed, "pretrain/look", u64::from(number));
        [stream.bits64(), stream.bits64()]
    }

    fn moved(&self, draw: u64) -> Shift {
        let most = self.shift.unwrap_or(0);
        let by = |draw: u32| (draw % (2 * most + 1)) as i32 - most as i32;
        Shift { right: by(draw as u32), down: by((draw >> 32) as u32) }
    }

    /// Batches from number `from` on, rendered by `threads` threads.
    pub fn stream(&self, from: usize, threads: usize) -> ClipStream {
        let threads = threads.max(1);
        let workers = (0..threads).map(|thread| {
            let (sender, receiver) = sync_channel(WAITING);
            let source = self.clone();
            let work = move || {
                let mut index = from + thread;
                // Until the reader has gone or something went wrong, which it is told.
                loop {
                    let batch = source.batch(index);
                    let failed = batch.is_err();
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                    index += threads;
                }
            };
            Worker { receiver: Some(receiver), thread: Some(std::thread::spawn(work)) }
        });
        ClipStream { workers: workers.collect(), next: 0 }
    }
}

/// Batches in the order of their numbers.
#[derive(Debug)]
pub struct ClipStream {
    workers: Vec<Worker>,
    next: usize,
}

#[derive(Debug)]
struct Worker {
    receiver: Option<Receiver<Result<ClipBatch, PretrainError>>>,
    thread: Option<JoinHandle<()>>,
}

impl ClipStream {
    /// The next batch.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn next_batch(&mut self) -> Result<ClipBatch, PretrainError> {
        let count = self.workers.len();
        let worker = &self.workers[self.next % count];
        self.next += 1;
        let batch = worker.receiver.as_ref().and_then(|receiver| receiver.recv().ok());
        batch.unwrap_or(Err(PretrainError::Renderer))
    }
}

impl Drop for ClipStream {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // Without a receiver the thread's next batch ends it.
            worker.receiver = None;
            if let Some(thread) = worker.thread.take() {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use echo_core::{Aspect, ChannelOrder, Crop, Filter, Padding, Sampling};

    use super::*;

    fn source(purpose: Purpose, shift: Option<u32>) -> ClipSource {
        let spec = ClipSpec {
            frames: 2,
            sampling: Sampling::Strided,
            stride: 8,
            padding: Padding::RepeatLast,
            channels: ChannelOrder::Rgb,
            crop: Crop { aspect: Aspect::CroppedThenResized, zoom: 0.1 },
            filter: Filter::OpenCvCubic,
            resize: 32,
            size: 32,
            scale: 1.0 / 255.0,
            mean: [0.0; 3],
            std: [1.0; 3],
        };
        ClipSource { subject: Subject::Phantoms, seed: 4, purpose, spec, shift, batch: 3 }
    }

    #[test]
    fn the_order_of_batches_does_not_depend_on_the_number_of_threads() {
        let source = source(Purpose::Pretraining, Some(2));
        let take = |threads, from| -> Vec<ClipBatch> {
            let mut stream = source.stream(from, threads);
            (0..5).map(|_| stream.next_batch().unwrap()).collect()
        };
        let one = take(1, 0);
        assert_eq!(one[1].numbers, [3, 4, 5]);
        assert_eq!(take(2, 0), one);
        assert_eq!(take(3, 0), one);
        assert_eq!(take(2, 2)[..3], one[2..]);
        assert_ne!(one[0].data, one[1].data);
    }

    #[test]
    fn clips_are_moved_and_begin_anywhere_only_when_asked() {
        let (plain, moved) = (source(Purpose::Pretraining, None), source(Purpose::Pretraining, Some(2)));
        assert_eq!(plain.batch(0).unwrap().findings, moved.batch(0).unwrap().findings);
        assert_ne!(plain.batch(0).unwrap().data, moved.batch(0).unwrap().data);
        let shifts: Vec<Shift> = (0..200).map(|number| moved.moved(moved.look(number)[1])).collect();
        for limit in [-2, 2] {
            assert!(shifts.iter().any(|shift| shift.right == limit) && shifts.iter().any(|shift| shift.down == limit));
        }
        assert!(shifts.iter().all(|shift| shift.right.abs() <= 2 && shift.down.abs() <= 2));
    }

    #[test]
    fn what_cannot_be_made_is_an_error_and_no_hang() {
        let mut wrong = source(Purpose::Pretraining, None);
        wrong.spec.resize = 0;
        let mut stream = wrong.stream(0, 1);
        assert!(matches!(stream.next_batch(), Err(PretrainError::Data(_))));
        assert!(matches!(stream.next_batch(), Err(PretrainError::Renderer)));
    }

    #[test]
    fn pictures_are_clips_of_one_frame_and_of_their_purpose_alone() {
        let of = |purpose| ClipSource { subject: Subject::Pictures, ..source(purpose, Some(2)) }.batch(1).unwrap();
        let (found, watched) = (of(Purpose::Pretraining), of(Purpose::PretrainingValidation));
        assert_eq!(found, of(Purpose::Pretraining));
        assert_eq!((found.shape[0], found.shape[2], found.pictures.len(), found.findings.len()), (3, 1, 3, 0));
        assert_eq!(found.numbers, [3, 4, 5]);
        assert!(found.pictures.iter().all(|picture| !watched.pictures.contains(picture)));
        // The same ones move where there are frames for it.
        let moving = ClipSource { subject: Subject::Movements, ..source(Purpose::Pretraining, None) }.batch(1).unwrap();
        assert_eq!((moving.shape[2], &moving.pictures), (2, &found.pictures));
        let same = |clip: &[f32]| clip.chunks(2 * 32 * 32).all(|channel| channel[..1024] == channel[1024..]);
        let rests = moving.data.chunks(3 * 2 * 32 * 32).zip(&moving.pictures);
        assert!(rests.clone().all(|(clip, picture)| same(clip) == matches!(picture.movement(), 0 | 7)));
    }
}
