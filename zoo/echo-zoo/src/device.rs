//! The choice of device: the only file that names a backend.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

/// A device by name, as `--device` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The processor, by Burn's `flex` backend.
    Cpu,
    /// The first graphics adapter, by WebGPU.
    Wgpu,
    /// A CUDA device by index.
    Cuda(usize),
}

impl DeviceChoice {
    /// Burn's device.
    ///
    /// # Errors
    /// The backend is not compiled in; the message names the feature.
    pub fn device(self) -> Result<Device, String> {
        let needs = |feature: &str| Err(format!("--device {self} needs a build with `--features {feature}`"));
        match self {
            DeviceChoice::Cpu => Ok(Device::flex()),
            #[cfg(feature = "wgpu")]
            DeviceChoice::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(not(feature = "wgpu"))]
            DeviceChoice::Wgpu => needs("wgpu"),
            #[cfg(feature = "cuda")]
            DeviceChoice::Cuda(index) => Ok(Device::cuda(index)),
            #[cfg(not(feature = "cuda"))]
            DeviceChoice::Cuda(_) => needs("cuda"),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Cpu => f.write_str("cpu"),
            DeviceChoice::Wgpu => f.write_str("wgpu"),
            DeviceChoice::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.split_once(':') {
            None if name == "cpu" => Ok(Self::Cpu),
            None if name == "wgpu" => Ok(Self::Wgpu),
            None if name == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", index)) => index.parse().map(Self::Cuda).map_err(|_| format!("{index:?} is not an index")),
            _ => Err("known devices: cpu, wgpu, cuda, cuda:INDEX".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_absent_backends_name_their_feature() {
        for choice in [DeviceChoice::Cpu, DeviceChoice::Wgpu, DeviceChoice::Cuda(3)] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        assert!("tpu".parse::<DeviceChoice>().is_err());
        #[cfg(not(feature = "cuda"))]
        assert!(DeviceChoice::Cuda(0).device().unwrap_err().contains("--features cuda"));
    }
}
