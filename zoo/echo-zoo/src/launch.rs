//! `echozoo bench --launcher`: a folder of scripts and commands that runs a grid on a cluster, or here.
//!
//! The folder is what a user of the cluster would write by hand: one complete command a line for each cell, a job array that
//! takes lines, one before it that computes what frozen encoders make of videos, and one after it that makes the tables.
//! Commands are those of the program, narrowed to a cell; nothing runs that could not be typed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use echo_bench::{BenchConfig, DryRun};
use echo_files::{counted, say};

use crate::array_file::write_file;
use crate::{CliError, interrupt};

/// Where the scripts lie in the folder of the results.
const FOLDER: &str = "launch";

/// The least time of a task, in seconds.
const LEAST_TIME: u64 = 300;

/// Seconds before the end of a task's time at which it goes back into the queue.
const WARNED: u32 = 120;

/// Flags of `echozoo bench` that say how it is spread.
#[derive(Debug, clap::Args)]
pub(crate) struct LaunchArgs {
    /// Write scripts that run the grid as a SLURM job array, or run the same scripts here one after another (docs/cluster.md).
    #[arg(help_heading = "Cluster", long, value_enum)]
    pub(crate) launcher: Option<Launcher>,
    /// Hand the scripts to SLURM, too.
    #[arg(help_heading = "Cluster", long, requires = "launcher")]
    submit: bool,
    /// SLURM's partition.
    #[arg(help_heading = "Cluster", long, value_name = "NAME", requires = "launcher", value_parser = word)]
    partition: Option<String>,
    /// SLURM's account.
    #[arg(help_heading = "Cluster", long, value_name = "NAME", requires = "launcher", value_parser = word)]
    account: Option<String>,
    /// SLURM's quality of service.
    #[arg(help_heading = "Cluster", long, value_name = "NAME", requires = "launcher", value_parser = word)]
    qos: Option<String>,
    /// Time of a task, such as 02:00:00, at least five minutes. Two minutes before its end it goes back into the queue and on from
    /// its checkpoint.
    #[arg(help_heading = "Cluster", long, value_name = "TIME", requires = "launcher", value_parser = time)]
    time: Option<String>,
    /// Memory of a task, such as 16G; 0 is all of a node's.
    #[arg(help_heading = "Cluster", long, value_name = "SIZE", requires = "launcher", value_parser = memory)]
    mem: Option<String>,
    /// Processors of a task: that many threads. It is part of what a cell's result depends on [default: 1; with --launcher
    /// local, all].
    #[arg(help_heading = "Cluster", long, value_name = "N", requires = "launcher", value_parser = clap::value_parser!(u16).range(1..))]
    cpus_per_task: Option<u16>,
    /// Generic resources of a task, such as gpu:1; --device cuda uses them.
    #[arg(help_heading = "Cluster", long, value_name = "LIST", requires = "launcher", value_parser = word)]
    gres: Option<String>,
    /// Tasks that run at a time at most (submitit's array_parallelism).
    #[arg(help_heading = "Cluster", long, value_name = "P", requires = "launcher", value_parser = clap::value_parser!(u32).range(1..))]
    array_parallelism: Option<u32>,
    /// Cells of a task, for clusters whose arrays are short (MaxArraySize).
    #[arg(help_heading = "Cluster", long, value_name = "N", requires = "launcher", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    cells_per_task: u32,
    /// Tasks that compute what frozen encoders make of videos, each of its share of them.
    #[arg(help_heading = "Cluster", long, value_name = "N", requires = "launcher", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    feature_tasks: u32,
    /// A line of every script before its commands, such as 'module load cuda'; may be given several times.
    #[arg(help_heading = "Cluster", long, value_name = "LINE", requires = "launcher", value_parser = line)]
    slurm_setup: Vec<String>,
}

/// What runs the scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Launcher {
    /// SLURM, once they are submitted.
    Slurm,
    /// This machine, now.
    Local,
}

/// A name or a list of names as SLURM has them.
fn word(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.,:=+@/()".contains(c);
    match !text.is_empty() && !text.starts_with('-') && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no name that SLURM knows")),
    }
}

/// A time in one of SLURM's ways of writing it: minutes, minutes:seconds, hours:minutes:seconds, or days before hours and what
/// follows them; or no limit.
fn time(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no time: write hours:minutes:seconds, or days-hours");
    if ["unlimited", "infinite"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(text.to_owned());
    }
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (Some(days.parse::<u32>().map_err(|_| wrong())?), rest),
        None => (None, text),
    };
    let parts: Vec<u32> = rest.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let [hours, minutes, seconds] = match (days, &parts[..]) {
        (None, [minutes]) => [0, *minutes, 0],
        (None, [minutes, seconds]) => [0, *minutes, *seconds],
        (Some(_), [hours]) => [*hours, 0, 0],
        (Some(_), [hours, minutes]) => [*hours, *minutes, 0],
        (_, [hours, minutes, seconds]) => [*hours, *minutes, *seconds],
        _ => return Err(wrong()),
    };
    // What has something larger before it stops where that begins: more is a slip.
    let has_hours = days.is_some() || parts.len() == 3;
    if (days.is_some() && hours > 23) || (has_hours && minutes > 59) || seconds > 59 {
        return Err(wrong());
    }
    let days = u64::from(days.unwrap_or(0));
    let whole = ((days * 24 + u64::from(hours)) * 60 + u64::from(minutes)) * 60 + u64::from(seconds);
    match whole >= LEAST_TIME {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "{text:?} is {whole} s: give at least five minutes, of which the last two are for the way back"
        )),
    }
}

/// A size with its unit: without one SLURM takes it for megabytes, which nobody means.
fn memory(text: &str) -> Result<String, String> {
    let number = text.strip_suffix(['K', 'M', 'G', 'T']).and_then(|number| number.parse::<u32>().ok());
    match number {
        // All of a node's memory.
        _ if text == "0" => Ok(text.to_owned()),
        Some(1..) => Ok(text.to_owned()),
        _ => Err(format!(
            "{text:?} is no size: write a whole number and its unit, such as 16G, or 0 for all of a node's"
        )),
    }
}

fn line(text: &str) -> Result<String, String> {
    match (text.chars().any(char::is_control), text.trim_start().starts_with("#SBATCH")) {
        (false, false) => Ok(text.to_owned()),
        (true, _) => Err(format!("{text:?} is more than one line")),
        (_, true) => Err(format!("{text:?}: SLURM reads no options after the first command")),
    }
}

impl LaunchArgs {
    /// Threads of a task.
    pub(crate) fn threads(&self) -> usize {
        match (self.cpus_per_task, self.launcher) {
            (Some(cpus), _) => cpus.into(),
            // As many as without a launcher, so that cells are the same: `RAYON_NUM_THREADS`, or all.
            (None, Some(Launcher::Local) | None) => rayon::current_num_threads(),
            (None, Some(Launcher::Slurm)) => 1,
        }
    }
}

/// Files of a folder, with their texts.
struct Files {
    /// The configuration, and commands by line.
    lists: Vec<(PathBuf, String)>,
    /// Scripts, and how many tasks each has.
    scripts: Vec<((PathBuf, String), usize)>,
}

/// A grid that is spread, and where.
pub(crate) struct Launch<'a> {
    pub(crate) args: &'a LaunchArgs,
    pub(crate) config: &'a BenchConfig,
    /// Flags of every command that the configuration does not hold, in whole words.
    pub(crate) flags: Vec<String>,
    /// The folder of the results.
    pub(crate) out: &'a Path,
    /// Where data made on first use and caches live.
    pub(crate) home: &'a Path,
    /// Tasks that run at a time where they run here.
    pub(crate) jobs: usize,
}

impl Launch<'_> {
    /// Writes the scripts for what `plan` has left to do, and hands them to SLURM or runs them where that is asked for.
    ///
    /// # Errors
    /// A file cannot be written, a path has no place in a script, or `sbatch` refuses one.
    pub(crate) fn launch(&self, plan: &DryRun) -> Result<(), CliError> {
        if self.args.submit && self.args.launcher == Some(Launcher::Local) {
            let reason = "--submit hands scripts to SLURM; --launcher local runs them here";
            return Err(CliError::Usage(reason.to_owned()));
        }
        if self.jobs > 1 && self.args.launcher == Some(Launcher::Slurm) {
            let reason = "--jobs is of this machine; how many of SLURM's tasks run at a time is --array-parallelism";
            return Err(CliError::Usage(reason.to_owned()));
        }
        let program = std::env::current_exe().map_err(CliError::file(Path::new("echozoo")))?;
        let folders = (1u32..).map(|number| match number {
            1 => self.out.join(FOLDER),
            _ => self.out.join(format!("{FOLDER}-{number}")),
        });
        // Tasks in the queue read their lists when they begin: one of other lines goes to another folder.
        for folder in folders {
            let files = self.files(plan, &program, &folder)?;
            let is_same = |(path, text): &(PathBuf, String)| match std::fs::read_to_string(path) {
                Ok(found) => found == *text,
                Err(_) => true,
            };
            if files.lists.iter().all(is_same) {
                return self.begin(plan, &files, &folder.join("logs"));
            }
        }
        unreachable!("there is always another number")
    }

    /// Writes the files, and hands the scripts to SLURM or runs them where that is asked for.
    fn begin(&self, plan: &DryRun, files: &Files, logs: &Path) -> Result<(), CliError> {
        std::fs::create_dir_all(logs).map_err(CliError::file(logs))?;
        for (path, text) in files.lists.iter().chain(files.scripts.iter().map(|(file, _)| file)) {
            write_file(path, text.as_bytes())?;
        }
        let scripts: Vec<(PathBuf, usize)> =
            files.scripts.iter().map(|((path, _), tasks)| (path.clone(), *tasks)).collect();
        let left: usize = plan.pairs.iter().map(|pair| pair.left.len()).sum();
        say(&format!(
            "{} in {}: {} to run, {} done before",
            counted(scripts.len(), "script"),
            logs.parent().unwrap_or(logs).display(),
            counted(left, "cell"),
            plan.pairs.iter().map(|pair| pair.cells - pair.left.len()).sum::<usize>(),
        ));
        match self.args.launcher {
            Some(Launcher::Local) => self.run_here(&scripts, logs),
            _ => self.hand_over(&scripts),
        }
    }

    /// What goes to the folder `folder`.
    fn files(&self, plan: &DryRun, program: &Path, folder: &Path) -> Result<Files, CliError> {
        let config = folder.join("config.toml");
        self.pattern_of_logs(&folder.join("logs"))?;
        let text = toml::to_string(self.config).map_err(|error| CliError::Usage(error.to_string()))?;
        let mut files = Files { lists: vec![(config.clone(), text)], scripts: Vec::new() };
        let mut common = vec![quoted(program)?, "bench".to_owned(), "--config".to_owned(), quoted(&config)?];
        for flag in &self.flags {
            common.push(quoted(Path::new(flag))?);
        }
        common.extend(["--out".to_owned(), quoted(self.out)?]);
        let common = common.join(" ");

        let cells = cells(plan, &common)?;
        let shares = self.args.feature_tasks;
        let features = (0..shares).map(|index| format!("{common} --part features:{index}/{shares}"));
        let features: Vec<String> = features.collect();
        let merge = vec![format!("{common} --part merge")];
        let parts = [("features", &features, 1), ("cells", &cells, self.args.cells_per_task), ("merge", &merge, 1)];
        // Where nothing is left, only the tables are made again.
        let from = if cells.is_empty() { 2 } else { 0 };
        for (name, commands, each) in parts.into_iter().skip(from) {
            files.lists.push((folder.join(format!("{name}.txt")), lines(commands)));
            let tasks = commands.len().div_ceil(each as usize);
            let script = folder.join(if name == "cells" { "run.sbatch".to_owned() } else { format!("{name}.sbatch") });
            files.scripts.push(((script, self.script(name, tasks, each, folder)?), tasks));
        }
        Ok(files)
    }

    /// The names of logs, where SLURM writes them.
    fn pattern_of_logs(&self, logs: &Path) -> Result<Option<String>, CliError> {
        let of_slurm = || Ok(format!("\"{}/%x-%A_%a.out\"", in_pattern(logs)?));
        (self.args.launcher == Some(Launcher::Slurm)).then(of_slurm).transpose()
    }

    /// A script whose task number `i` runs the lines from `i * each + 1` on of the file of its name.
    fn script(&self, name: &str, tasks: usize, each: u32, folder: &Path) -> Result<String, CliError> {
        let LaunchArgs { partition, account, qos, time, mem, gres, array_parallelism, .. } = self.args;
        let mut text = "#!/usr/bin/env bash\n".to_owned();
        let mut option = |option: &str, value: &str| {
            let _ = writeln!(text, "#SBATCH --{option}={value}");
        };
        option("job-name", &format!("echozoo-{name}"));
        let at_a_time = array_parallelism.filter(|_| name != "merge").map_or(String::new(), |most| format!("%{most}"));
        option("array", &format!("0-{}{at_a_time}", tasks.max(1) - 1));
        let given = [("partition", partition), ("account", account), ("qos", qos), ("time", time), ("mem", mem)];
        let given = given.into_iter().chain((name != "merge").then_some(("gres", gres)));
        for (name, value) in given.filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            option(name, value);
        }
        if let Some(cpus) = self.args.cpus_per_task {
            option("cpus-per-task", &cpus.to_string());
        }
        option("signal", &format!("B:USR1@{WARNED}"));
        if let Some(pattern) = self.pattern_of_logs(&folder.join("logs"))? {
            option("output", &pattern);
        }
        text.push_str("#SBATCH --requeue\n#SBATCH --open-mode=append\n");
        let here = std::env::current_dir().map_err(CliError::file(Path::new(".")))?;
        // As in a script without `set`: what modules and environments do is not made for it.
        let setup = match &self.args.slurm_setup[..] {
            [] => String::new(),
            given => format!("set +euo pipefail\n{}set -euo pipefail\n", lines(given)),
        };
        let _ = write!(
            text,
            r#"
# A task of the array runs lines of {name}.txt, from number SLURM_ARRAY_TASK_ID * {each} + 1 on, {each} in all. What is done, it does
# not do again.
set -euo pipefail
cd {here}
export ECHOZOO_HOME={home}
export RAYON_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-{threads}}}"
{setup}first=$((SLURM_ARRAY_TASK_ID * {each} + 1))
last=$((first + {each} - 1))
failed=0
child=

# Before the time is up, the task goes back into the queue: its cell goes on from its checkpoint.
requeue() {{
    trap '' USR1
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null || true
        wait "$child" || true
    fi
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
    # SLURM ends this try.
    sleep 60
    exit 1
}}
trap requeue USR1

ran=0
while IFS= read -r command; do
    bash -c "exec $command" &
    child=$!
    wait "$child" || failed=1
    ran=$((ran + 1))
done < <(sed -n "${{first}},${{last}}p" {commands})
if [ "$ran" = 0 ]; then
    echo "no line $first in "{commands} >&2
    exit 1
fi
exit "$failed"
"#,
            here = quoted(&here)?,
            home = quoted(&absolute(self.home)?)?,
            threads = self.args.threads(),
            commands = quoted(&folder.join(format!("{name}.txt")))?,
        );
        Ok(text)
    }

    /// Submits the scripts, each after the one before, or says how.
    fn hand_over(&self, scripts: &[(PathBuf, usize)]) -> Result<(), CliError> {
        if !self.args.submit {
            say("submit them, or give --submit:");
            let names = ["features", "cells", "merge"];
            let names = &names[names.len() - scripts.len()..];
            for (place, ((script, _), name)) in scripts.iter().zip(names).enumerate() {
                let after = match place.checked_sub(1) {
                    None => String::new(),
                    Some(before) => format!("{} ", after(&format!("${}", names[before]), name)),
                };
                say(&format!("  {name}=$(sbatch --parsable {after}{})", quoted(script)?));
            }
            return Ok(());
        }
        let mut before: Option<String> = None;
        for (script, tasks) in scripts {
            let mut command = Command::new("sbatch");
            command.arg("--parsable");
            if let Some(job) = &before {
                let name = script.file_stem().unwrap_or_default().to_string_lossy();
                command.args(after(job, &name).split(' '));
            }
            let output = command.arg(script).stderr(Stdio::inherit()).output();
            let output = output.map_err(CliError::file(Path::new("sbatch")))?;
            // The job's number, and its cluster's name where there are several.
            let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let job = answer.split(';').next().unwrap_or_default().to_owned();
            if !output.status.success() || job.is_empty() {
                let still = match &before {
                    Some(_) => "what was submitted before it still runs (scancel ends it)",
                    None => "nothing was submitted",
                };
                // One less than SLURM's own default of MaxArraySize.
                let hint = match *tasks > 1000 {
                    true => "; an array may have fewer tasks than MaxArraySize, and --cells-per-task makes it shorter",
                    false => "",
                };
                let reason = format!("sbatch refused it; {still}{hint}");
                return Err(CliError::File { path: script.clone(), reason });
            }
            say(&format!("job {job}: {} of {}", counted(*tasks, "task"), script.display()));
            before = Some(job);
        }
        Ok(())
    }

    /// Runs the tasks of each script, some at a time, as SLURM would.
    fn run_here(&self, scripts: &[(PathBuf, usize)], logs: &Path) -> Result<(), CliError> {
        interrupt::hold(|is_asked_to_end| self.run_until(scripts, logs, is_asked_to_end))
    }

    fn run_until(
        &self,
        scripts: &[(PathBuf, usize)],
        logs: &Path,
        is_asked_to_end: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), CliError> {
        let mut failed = 0;
        for (script, tasks) in scripts {
            let name = script.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let next = AtomicUsize::new(0);
            let worker = || -> Result<usize, CliError> {
                let mut failed = 0;
                loop {
                    if is_asked_to_end() {
                        return Ok(failed);
                    }
                    let task = next.fetch_add(1, Ordering::Relaxed);
                    if task >= *tasks {
                        return Ok(failed);
                    }
                    let log = logs.join(format!("{name}-local_{task}.out"));
                    let file = std::fs::File::create(&log).map_err(CliError::file(&log))?;
                    let err = file.try_clone().map_err(CliError::file(&log))?;
                    let mut command = Command::new("bash");
                    command.arg(script).env("SLURM_ARRAY_TASK_ID", task.to_string()).stdin(Stdio::null());
                    command.env("SLURM_CPUS_PER_TASK", self.args.threads().to_string()).stdout(file).stderr(err);
                    let Some(status) = ended(&mut command, is_asked_to_end)? else { return Ok(failed) };
                    if !status.success() {
                        failed += 1;
                        say(&format!("task {task} of {name} failed: see {}", log.display()));
                    }
                }
            };
            let results: Vec<Result<usize, CliError>> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..self.jobs.clamp(1, (*tasks).max(1))).map(|_| scope.spawn(worker)).collect();
                threads.into_iter().map(|thread| thread.join().expect("a worker does not panic")).collect()
            });
            for result in results {
                failed += result?;
            }
            if is_asked_to_end() {
                say("stopped; run it again to go on");
                return Ok(());
            }
            say(&format!("{name}: {} ended", counted(*tasks, "task")));
        }
        match failed {
            0 => {
                say(&format!("results in {}", self.out.display()));
                Ok(())
            }
            _ => {
                let all: usize = scripts.iter().map(|(_, tasks)| tasks).sum();
                let reason = format!("{failed} of {} failed, as their logs there say", counted(all, "task"));
                Err(CliError::File { path: logs.to_owned(), reason })
            }
        }
    }
}

/// Runs a task to its end; none where this process is asked to end before: then all of the task's processes are, too.
fn ended(command: &mut Command, is_asked_to_end: &dyn Fn() -> bool) -> Result<Option<ExitStatus>, CliError> {
    /// Between two looks.
    const POLL: Duration = Duration::from_millis(50);
    // A group of its own, of which every process can be told at once.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let failed = || CliError::file(Path::new("bash"));
    let mut task = command.spawn().map_err(failed())?;
    loop {
        if let Some(status) = task.try_wait().map_err(failed())? {
            return Ok(Some(status));
        }
        if is_asked_to_end() {
            let told = Command::new("kill").args(["-TERM", "--", &format!("-{}", task.id())]).status();
            if !told.is_ok_and(|told| told.success()) {
                task.kill().map_err(failed())?;
            }
            task.wait().map_err(failed())?;
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

/// How a script waits for the job before it: cells for all features, tables for whatever became of the cells.
fn after(job: &str, script: &str) -> String {
    match script {
        "merge" => format!("--dependency=afterany:{job}"),
        _ => format!("--dependency=afterok:{job} --kill-on-invalid-dep=yes"),
    }
}

/// A command for each cell that is left.
fn cells(plan: &DryRun, common: &str) -> Result<Vec<String>, CliError> {
    let mut commands = Vec::new();
    for pair in &plan.pairs {
        let (encoder, adapter) = (quoted(Path::new(&pair.encoder))?, quoted(Path::new(&pair.adapter))?);
        for (shots, seed) in &pair.left {
            // What looks at no training video has one cell whatever the shots and seeds.
            let drawn = match shots {
                Some(0) => String::new(),
                Some(shots) => format!(" --shots {shots} --seeds {seed}"),
                None => format!(" --seeds {seed}"),
            };
            commands
                .push(format!("{common} --part cells --no-zero-shot --encoder {encoder} --adapter {adapter}{drawn}"));
        }
    }
    Ok(commands)
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A path as one word of a shell's line.
fn quoted(path: &Path) -> Result<String, CliError> {
    let fits = |text: &&str| !text.chars().any(char::is_control);
    let Some(text) = path.to_str().filter(fits) else {
        let reason = "a path in a script must be text of one line; give the folder another name".to_owned();
        return Err(CliError::File { path: path.to_owned(), reason });
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,%@".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Ok(format!("'{}'", text.replace('\'', r"'\''"))),
    }
}

/// A folder in a pattern of file names of SLURM's.
fn in_pattern(folder: &Path) -> Result<String, CliError> {
    let path = absolute(folder)?;
    quoted(&path)?;
    let text = path.to_string_lossy();
    match text.contains(['"', '\\']) {
        true => {
            let reason =
                "SLURM takes no double quotes and no backslashes in the names of logs; give another folder with --out";
            Err(CliError::File { path, reason: reason.to_owned() })
        }
        false => Ok(text.replace('%', "%%")),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(CliError::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word_of_a_line() {
        let of = |text: &str| quoted(Path::new(text)).unwrap();
        assert_eq!(of("/a/b-c_1.bin"), "/a/b-c_1.bin");
        assert_eq!(of("a b"), "'a b'");
        assert_eq!(of("it's $HOME"), r"'it'\''s $HOME'");
        assert!(quoted(Path::new("two\nlines")).is_err());
        assert!(word("gpu:1").is_ok() && word("a b").is_err() && word("").is_err() && word("x\n#SBATCH -p y").is_err());
        assert!(word("-x").is_err() && word("gpu;ls").is_err() && word("a100,h100").is_ok());
        assert!(line("module load cuda/12").is_ok() && line("a\nb").is_err() && line(" #SBATCH --nodes=3").is_err());
        assert!(
            memory("16G").is_ok()
                && memory("0").is_ok()
                && ["16", "1.5G", "0G", "abc", "G"].iter().all(|wrong| memory(wrong).is_err())
        );
        let times = ["5", "05:00", "00:05:00", "1-0", "2-12:30", "1-00:00:00", "120", "90:00", "36:00:00", "UNLIMITED"];
        assert!(times.iter().all(|right| time(right).is_ok()));
        let wrong = [
            "", "abc", "4", "01:30", "00:04:59", "0-0", "1:2:3:4", "-5", "1-", "99:xx", "00:99:99", "5:60", "1-24",
            "1-1:60",
        ];
        assert!(wrong.iter().all(|wrong| time(wrong).is_err()));
        assert!(
            in_pattern(Path::new("/a/100%")).unwrap().ends_with("100%%") && in_pattern(Path::new("/a\"b")).is_err()
        );
    }
}
