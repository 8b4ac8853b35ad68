//! The program as a user runs it: the binary, real files, exit codes and what it says.

#![allow(missing_docs)]

mod bench;
mod cache;
mod clinical;
mod cluster;
mod commands;
mod dry_run;
mod faults;
mod fetch;
mod full_disk;
mod grid;
mod interrupts;
mod jobs;
mod kills;
mod memory;
mod numbers;
mod ood;
mod outside;
mod place;
mod precision;
mod printing;
mod privacy;
mod report;
mod study;
mod two_processes;
mod views;
