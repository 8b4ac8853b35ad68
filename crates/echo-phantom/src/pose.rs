//! Where the heart lies in the sector: probe position, breathing and the heart's own swing.

use crate::acquisition::Acquisition;
use crate::physiology::Physiology;
use crate::placement::anchor;

/// Where the heart lies in the sector at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pose {
    /// Where the origin of heart coordinates lies.
    apex: (f64, f64),
    sin: f64,
    cos: f64,
}

impl Pose {
    /// Coordinates of the sector for what has none of its own.
    pub const STILL: Self = Self { apex: (0.0, 0.0), sin: 0.0, cos: 1.0 };

    /// The pose `time` seconds into the recording.
    pub fn at(acquisition: &Acquisition, heart: &Physiology, time: f64, contraction: f64) -> Self {
        let breath = acquisition.breath(time);
        let (sin, cos) = (acquisition.tilt + heart.rocking * contraction).sin_cos();
        let at = (
            acquisition.anchor.0 + acquisition.breathing.0 * breath,
            acquisition.anchor.1 + acquisition.breathing.1 * breath,
        );
        let (x, level) = anchor(acquisition.plane.view, heart);
        Self { apex: (at.0 - (x * cos + level * sin), at.1 - (level * cos - x * sin)), sin, cos }
    }

    /// The probe in heart coordinates at end-diastole.
    pub fn probe(acquisition: &Acquisition, heart: &Physiology) -> (f64, f64) {
        let (sin, cos) = acquisition.tilt.sin_cos();
        let (right, down) = (-acquisition.anchor.0, -acquisition.anchor.1);
        let (x, level) = anchor(acquisition.plane.view, heart);
        (x + right * cos - down * sin, level + right * sin + down * cos)
    }

    /// From the sector's coordinates (cm) to `(x, level)` of the heart.
    pub fn to_heart(self, (x, y): (f64, f64)) -> (f64, f64) {
        let (right, down) = (x - self.apex.0, y - self.apex.1);
        (right * self.cos - down * self.sin, right * self.sin + down * self.cos)
    }

    /// From `(x, level)` of the heart to the sector's coordinates.
    pub fn to_sector(self, (x, level): (f64, f64)) -> (f64, f64) {
        (self.apex.0 + x * self.cos + level * self.sin, self.apex.1 - x * self.sin + level * self.cos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::Setting;
    use crate::physiology::tests::heart;
    use crate::view::{View, Views};
    use echo_random::Stream;

    #[test]
    fn pose_is_a_rigid_motion_and_its_inverse() {
        for view in View::ALL {
            let heart = heart(60.0, view);
            let setting = Setting { views: Views::Only(view), ..Setting::default() };
            let acquisition = Acquisition::draw(&mut Stream::new(1, "test", 4), setting);
            let pose = Pose::at(&acquisition, &heart, 0.7, 0.5);
            let (x, level) = pose.to_heart(pose.to_sector((1.5, 6.0)));
            assert!((x - 1.5).abs() < 1e-12 && (level - 6.0).abs() < 1e-12);
            // The probe is where the sector begins.
            let still = Acquisition { breathing: (0.0, 0.0), ..acquisition };
            let (x, y) = Pose::at(&still, &heart, 0.7, 0.0).to_sector(Pose::probe(&still, &heart));
            assert!(x.abs() < 1e-9 && y.abs() < 1e-9, "{view:?}: {x} {y}");
        }
    }
}
