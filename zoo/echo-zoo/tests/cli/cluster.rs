//! A grid on a SLURM of its own, a controller and two nodes on this machine, and the same scripts without one.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::grid::Grid;
use crate::place::{ended, text};

/// Nodes; each runs two tasks at a time.
const NODES: [&str; 2] = ["n1", "n2"];

/// How long anything may take that the tests wait for.
const PATIENCE: Duration = Duration::from_secs(240);

/// A SLURM that lives as long as this.
struct Cluster {
    dir: tempfile::TempDir,
    daemons: Vec<(String, Child)>,
}

impl Cluster {
    /// None where SLURM cannot be started here.
    fn start() -> Option<Self> {
        let found = Command::new("slurmctld").arg("-V").output().is_ok_and(|output| output.status.success());
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        if !found || !is_root {
            let reason = "no SLURM (slurmctld, as root)";
            assert!(std::env::var_os("ECHOZOO_NO_SKIP").is_none(), "{reason}");
            println!("skipped: {reason}");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("slurm").tempdir().unwrap();
        let mut cluster = Self { dir, daemons: Vec::new() };
        for folder in ["state", "log", "munge", "n1", "n2"] {
            fs::create_dir(cluster.path(folder)).unwrap();
        }
        fs::write(cluster.path("munge/key"), [7; 256]).unwrap();
        ended(0, Command::new("chmod").args(["-R", "go-rwx"]).arg(cluster.path("munge")));
        let ports = ports();
        let host = text(&Command::new("hostname").arg("-s").output().unwrap().stdout);
        let (host, at) = (host.trim(), cluster.dir.path().display());
        let node = |name: &str, port: u16| {
            format!("NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=2000\n")
        };
        let config = format!(
            "ClusterName=tests\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\nSlurmUser=root\nSlurmdUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={at}/munge/socket,cred_expire=5\nCredType=cred/munge\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\n\
             SelectTypeParameters=CR_CPU\nMpiDefault=none\nReturnToService=2\nStateSaveLocation={at}/state\n\
             SlurmdSpoolDir={at}/%n\nSlurmctldPidFile={at}/ctld.pid\nSlurmdPidFile={at}/%n.pid\n\
             SlurmctldLogFile={at}/log/ctld\nSlurmdLogFile={at}/log/%n\nSlurmdTimeout=10\nKillWait=2\n\
             SchedulerParameters=sched_interval=1,bf_interval=1\n{}{}\
             PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP\n",
            ports[0],
            node(NODES[0], ports[1]),
            node(NODES[1], ports[2]),
        );
        fs::write(cluster.path("slurm.conf"), config).unwrap();
        let place = |name: &str, file: &str| format!("--{name}={at}/munge/{file}");
        let munge = [place("key-file", "key"), place("socket", "socket"), place("pid-file", "pid")];
        let munge = [&munge[..], &[place("log-file", "log"), place("seed-file", "seed")]].concat();
        let munge: Vec<&str> = munge.iter().map(String::as_str).chain(["--force", "--foreground"]).collect();
        cluster.daemon("munged", "munged", &munge);
        let socket = cluster.path("munge/socket");
        until("munged", || socket.exists());
        cluster.daemon("slurmctld", "slurmctld", &["-D"]);
        for node in NODES {
            cluster.daemon(node, "slurmd", &["-D", "-N", node]);
        }
        until("two idle nodes", || cluster.ask("sinfo", &["-h", "-N", "-o", "%t"]).matches("idle").count() == 2);
        Some(cluster)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn daemon(&mut self, name: &str, program: &str, args: &[&str]) {
        let mut command = Command::new(program);
        command.args(args).env("SLURM_CONF", self.path("slurm.conf"));
        let log = fs::File::create(self.path("log").join(format!("{name}.out"))).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.daemons.push((name.to_owned(), command.spawn().unwrap()));
    }

    /// What one of SLURM's programs says.
    fn ask(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program).args(args).env("SLURM_CONF", self.path("slurm.conf")).output().unwrap();
        text(&output.stdout) + &text(&output.stderr)
    }

    /// Waits for all jobs to end.
    fn drain(&self) {
        until("the end of all jobs", || self.ask("squeue", &["-h"]).trim().is_empty());
    }

    /// Kills a node with all that runs on it.
    fn kill_node(&mut self, name: &str) {
        let configured = format!("SLURM_CONF={}", self.dir.path().display());
        let (mut steps, mut tasks) = (BTreeSet::new(), Vec::new());
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let holds = |text: &str| environment.windows(text.len()).any(|part| part == text.as_bytes());
            if !(holds(&format!("SLURMD_NODENAME={name}\0")) && holds(&configured)) {
                continue;
            }
            tasks.push(entry.file_name().to_string_lossy().into_owned());
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap_or_default().trim();
            let program = fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
            if program.starts_with("slurmstepd") {
                steps.insert(parent.to_owned());
            }
        }
        assert!(!steps.is_empty(), "nothing runs on {name}");
        // Nothing is left to say how a task ended.
        let (_, daemon) = self.daemons.iter_mut().find(|(known, _)| known == name).unwrap();
        let daemon_id = daemon.id().to_string();
        let dying: Vec<&String> = steps.iter().chain([&daemon_id]).chain(&tasks).collect();
        let _ = Command::new("kill").arg("-9").args(dying).status();
        daemon.wait().unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.ask("scancel", &["--user=root"]);
        for (_, daemon) in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Three ports that no other cluster of this or another run of the tests has.
fn ports() -> [u16; 3] {
    static CLUSTERS: AtomicU16 = AtomicU16::new(0);
    let of_process = (std::process::id() % 2_000) as u16;
    let first = 20_000 + 10 * of_process + 3 * CLUSTERS.fetch_add(1, Ordering::Relaxed);
    [first, first + 1, first + 2]
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The grid in `out` by one process of one thread.
fn run_here(place: &Grid, out: &str) {
    ended(0, place.bench(out, "home-here").env("RAYON_NUM_THREADS", "1"));
}

fn launch(place: &Grid, out: &str, flags: &[&str]) -> Command {
    let mut command = place.bench(out, "home");
    command.args(["--cpus-per-task", "1"]).args(flags);
    command
}

#[test]
fn scripts_without_a_cluster_come_to_the_same_results_and_do_nothing_twice() {
    let place = Grid::new();
    run_here(&place, "here");
    let flags = ["--launcher", "local", "--cells-per-task", "5", "--feature-tasks", "2", "--jobs", "2"];
    let (_, err) = ended(0, &mut launch(&place, "it's here", &flags));
    assert!(err.contains("14 cells to run, 0 done before"), "{err}");
    assert_eq!(place.read("it's here/launch/cells.txt").lines().count(), 14);
    place.assert_same("it's here", "here");
    let cells = place.read("it's here/launch/cells.txt");
    let (_, err) = ended(0, &mut launch(&place, "it's here", &flags));
    assert!(err.contains("0 cells to run, 14 done before") && !err.contains("features"), "{err}");
    place.assert_same("it's here", "here");
    // Each command is one that a user could type.
    let line = cells.lines().last().unwrap();
    assert!(
        line.contains("--part cells --no-zero-shot --encoder echoclip --adapter mfl --shots 2 --seeds 2"),
        "{line}"
    );
    let (out, _) = ended(0, Command::new("bash").args(["-c", line]).current_dir(place.path(".")));
    assert_eq!(out, "", "no table is made");
}

#[test]
fn what_is_missing_is_named_by_the_tables_and_a_cell_that_fails_is_a_row() {
    let place = Grid::new();
    // No cell that trains can be run.
    for video in place.videos().iter().filter(|video| video.to_string_lossy().contains("-train-")) {
        fs::write(video, "no video").unwrap();
    }
    let (_, err) =
        ended(0, &mut launch(&place, "out", &["--launcher", "slurm", "--slurm-setup", "module() { true; }"]));
    assert!(
        err.contains("cells=$(sbatch --parsable --dependency=afterok:$features --kill-on-invalid-dep=yes"),
        "{err}"
    );
    assert!(err.contains("merge=$(sbatch --parsable --dependency=afterany:$cells"), "{err}");
    let script = place.read("out/launch/run.sbatch");
    for part in
        ["#SBATCH --array=0-13\n", "#SBATCH --requeue\n", "B:USR1@120", "module() { true; }\n", "cpus-per-task=1"]
    {
        assert!(script.contains(part), "{part}: {script}");
    }
    assert!(!script.contains("--partition"));
    let run = |line: &str, code| ended(code, Command::new("bash").args(["-c", line]).current_dir(place.path(".")));
    let cells = place.read("out/launch/cells.txt");
    let of = |adapter: &str| cells.lines().find(|line| line.contains(adapter)).unwrap();
    let with_threads = |line: &str| format!("export RAYON_NUM_THREADS=1 ECHOZOO_HOME=home; {line}");
    run(&with_threads(of("--adapter zero-shot")), 0);
    run(&with_threads(of("--adapter coop")), 1);
    assert_eq!(
        fs::read_dir(place.path("out/cells"))
            .unwrap()
            .filter(|file| { file.as_ref().unwrap().path().extension().is_some_and(|end| end == "json") })
            .count(),
        2
    );
    let (out, err) = run(&with_threads(place.read("out/launch/merge.txt").trim()), 1);
    assert!(out.contains("zero-shot") && err.contains("13 of 14 cells failed"), "{out}{err}");
    assert_eq!(err.matches("it has no result yet").count(), 12, "{err}");
    assert!(err.contains("none of the"), "of the one that failed its own reason: {err}");
    // Nothing was invented: the next submission has them all to do but one.
    let (_, err) = ended(0, &mut launch(&place, "out", &["--launcher", "slurm"]));
    assert!(err.contains("13 cells to run, 1 done before"), "{err}");
    // An array that waits in the queue reads the lines that it was submitted with.
    assert_eq!(place.read("out/launch/cells.txt"), cells);
    assert_eq!(place.read("out/launch-2/cells.txt").lines().count(), 13);
    ended(0, &mut launch(&place, "out", &["--launcher", "slurm"]));
    assert!(!place.path("out/launch-3").exists(), "the same once more");
    // A task without a line is no success, and a flag that no cell would get is refused.
    let beyond = "export SLURM_ARRAY_TASK_ID=13 SLURM_ARRAY_JOB_ID=1; bash out/launch-2/run.sbatch";
    assert!(run(beyond, 1).1.contains("no line 14 in"));
    ended(2, &mut launch(&place, "out", &["--launcher", "slurm", "--force"]));
    ended(2, &mut launch(&place, "out", &["--launcher", "slurm", "--jobs", "2"]));
}

/// A merge makes a line of a record in a file of its own, and removes that: a cell that looks meanwhile finds either.
#[test]
fn a_cell_that_a_merge_gathers_meanwhile_is_not_run_again() {
    let place = Grid::new();
    let part = |part: &str| {
        let mut command = place.bench("out", "home");
        command.args(["--part", part, "--no-zero-shot", "--adapter", "linear", "--shots", "1", "--seeds", "1"]);
        command
    };
    ended(0, &mut part("cells"));
    for wait in 0..8 {
        let record = fs::read_dir(place.path("out/cells")).unwrap().map(|file| file.unwrap().path());
        assert!(wait > 0 || record.into_iter().any(|path| path.extension().is_some_and(|end| end == "json")));
        let mut merge = part("merge").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 * wait));
        let (_, err) = ended(0, &mut part("cells"));
        merge.wait().unwrap();
        assert!(err.contains("0 cells run, 1 done before"), "{err}");
        // As a file of its own again.
        let line = place.read("out/runs.jsonl").lines().next().unwrap().to_owned() + "\n";
        let key = line.split_once("\"key\":\"").unwrap().1.split('"').next().unwrap().to_owned();
        fs::write(place.path(&format!("out/cells/{key}.json")), line).unwrap();
        fs::remove_file(place.path("out/runs.jsonl")).unwrap();
    }
    // A file that lost what was in it is no record.
    let record = fs::read_dir(place.path("out/cells")).unwrap().map(|file| file.unwrap().path());
    let record = record.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    fs::write(&record, "").unwrap();
    let (_, err) = ended(0, &mut part("cells"));
    assert!(err.contains("no whole record") && err.contains("1 cell run, 0 done before"), "{err}");
}

/// A terminal that is closed, or a job that ends around it, leaves no task behind.
#[cfg(unix)]
#[test]
fn a_launcher_that_is_told_to_end_ends_its_tasks() {
    let place = Grid::new();
    let text = place.read("grid.toml").replace("epochs = 3", "epochs = 4000");
    fs::write(place.path("grid.toml"), text).unwrap();
    let mut command = launch(&place, "told-to-end", &["--launcher", "local", "--jobs", "2"]);
    let mut launcher = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let tasks = || {
        let found = Command::new("pgrep").args(["-f", "told-to-end/launch/config.toml.*--part cells"]).output();
        String::from_utf8(found.unwrap().stdout).unwrap()
    };
    let is_fitting = || fs::read_dir(place.path("told-to-end/launch/logs")).is_ok_and(|logs| logs.count() > 3);
    until("two cells that run", || is_fitting() && tasks().lines().count() >= 2);
    assert!(Command::new("kill").args(["-TERM", &launcher.id().to_string()]).status().unwrap().success());
    assert!(!launcher.wait().unwrap().success());
    until("the end of all tasks", || tasks().is_empty());
}

#[test]
fn a_grid_by_slurm_is_the_grid_run_here() {
    let Some(cluster) = Cluster::start() else { return };
    let place = Grid::new();
    run_here(&place, "here");
    let flags =
        ["--launcher", "slurm", "--submit", "--cells-per-task", "4", "--feature-tasks", "2", "--partition", "main"];
    let submit = |place: &Grid| {
        let (_, err) = ended(0, launch(place, "out", &flags).env("SLURM_CONF", cluster.path("slurm.conf")));
        cluster.drain();
        err
    };
    let err = submit(&place);
    assert_eq!(err.matches("job ").count(), 3, "{err}");
    place.assert_same("out", "here");
    let logs = || fs::read_dir(place.path("out/launch/logs")).unwrap().count();
    assert_eq!(logs(), 2 + 4 + 1, "a log of each task");
    let err = submit(&place);
    assert!(err.contains("0 cells to run, 14 done before") && logs() == 2 + 4 + 1 + 1, "{err}");
    place.assert_same("out", "here");
}

/// A node dies, and a task is told that its time is up: both cells are requeued and go on, and nothing else is lost.
#[test]
fn killed_nodes_and_tasks_out_of_time_lose_nothing() {
    let Some(mut cluster) = Cluster::start() else { return };
    let place = Grid::new();
    // A cell of a few seconds, so that it is hit in the middle.
    let text = place.read("grid.toml").replace("epochs = 3", "epochs = 400");
    fs::write(place.path("grid.toml"), text.replace("\"linear\", ", "").replace("seeds = [1, 2]", "seeds = [1]"))
        .unwrap();
    run_here(&place, "here");
    let mut command = launch(&place, "out", &["--launcher", "slurm", "--submit"]);
    command.env("SLURM_CONF", cluster.path("slurm.conf")).env("ECHOZOO_CHECKPOINT_SECONDS", "0");
    ended(0, &mut command);
    let running = |cluster: &Cluster, node: &str| -> Vec<String> {
        let args = ["-h", "-t", "R", "-w", node, "-n", "echozoo-cells", "-o", "%i"];
        cluster.ask("squeue", &args).lines().map(str::to_owned).collect()
    };
    let checkpoints = || {
        let files = fs::read_dir(place.path("out/cells")).into_iter().flatten().flatten();
        files.filter(|file| file.file_name().to_string_lossy().ends_with(".checkpoint.safetensors")).count()
    };
    until("cells on both nodes", || NODES.iter().all(|node| !running(&cluster, node).is_empty()) && checkpoints() >= 3);
    // A task whose script has only just begun cannot be told anything yet.
    until("a warned task", || {
        running(&cluster, NODES[0])
            .first()
            .is_some_and(|task| cluster.ask("scancel", &["--batch", "--signal=USR1", task]).is_empty())
    });
    cluster.kill_node(NODES[1]);
    cluster.drain();
    place.assert_same("out", "here");
}
