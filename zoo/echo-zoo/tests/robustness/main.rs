//! `echozoo bench` when things go wrong or come together: kills, full disks, two processes, several cells at a time.

#![allow(missing_docs)]

mod dry_run;
mod full_disk;
mod interrupts;
mod jobs;
mod kills;
mod place;
mod two_processes;
