//! Where the heart lies in the sector: probe position, breathing and the heart's own swing.

use crate::acquisition::Acquisition;
use crate::physiology::Physiology;

/// Where the heart lies in the sector at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pose {
    apex: (f64, f64),
    sin: f64,
    cos: f64,
}

impl Pose {
    /// The pose `time` seconds into the recording.
    pub fn at(acquisition: &Acquisition, heart: &Physiology, time: f64, contraction: f64) -> Self {
        let breath = acquisition.breath(time);
        let (sin, cos) = (acquisition.tilt + heart.rocking * contraction).sin_cos();
        let apex = (
            acquisition.heart_apex.0 + acquisition.breathing.0 * breath,
            acquisition.heart_apex.1 + acquisition.breathing.1 * breath,
        );
        Self { apex, sin, cos }
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
    use crate::view::View;
    use echo_random::Stream;

    #[test]
    fn pose_is_a_rigid_motion_and_its_inverse() {
        let heart = heart(60.0, View::A4c);
        let acquisition = Acquisition::draw(&mut Stream::new(1, "test", 4), Setting::default());
        let pose = Pose::at(&acquisition, &heart, 0.7, 0.5);
        let (x, level) = pose.to_heart(pose.to_sector((1.5, 6.0)));
        assert!((x - 1.5).abs() < 1e-12 && (level - 6.0).abs() < 1e-12);
    }
}
